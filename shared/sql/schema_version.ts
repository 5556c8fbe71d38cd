/** The number of the newest file in `migrations/`; a test keeps the two equal. */
export const SCHEMA_VERSION = 10;
