import { z } from "zod";
import { type Envelope, EVENTS, type EventType } from "./catalogue.ts";

/** What is around the data of an event. */
export const envelope = z.object({
  id: z.uuid(),
  type: z.string(),
  version: z.int().min(1),
  region: z.string(),
  key: z.uuid(),
  occurredAt: z.iso.datetime(),
  trace: z.string().nullable(),
  data: z.unknown(),
});

/** As our own events have them; other forms that the schema knows are left to it. */
const PLAIN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PLAIN_TIME =
  /^20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/** An entry that is not an event of the catalogue; the consumer parks it. */
export class EventFormatError extends Error {
  override readonly name = "EventFormatError";
}

/**
 * Reads an envelope from its JSON. Fields of a newer version are dropped, so that old and new
 * processes can run side by side.
 *
 * @returns undefined for a type this version does not know: newer, so not ours to handle.
 * @throws EventFormatError for what is not an event.
 */
export function parseEnvelope(json: string): Envelope | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch (cause) {
    throw new EventFormatError("event is not JSON", { cause });
  }
  const outer = readPlainOuter(raw) ?? checkOuter(raw);
  if (!isEventType(outer.type)) return undefined;
  const data = EVENTS[outer.type].data.safeParse(outer.data);
  if (!data.success) {
    throw new EventFormatError(`${outer.type}: ${z.prettifyError(data.error)}`);
  }
  outer.data = data.data;
  // The pair of type and data was just checked against one catalogue entry.
  return outer as Envelope;
}

type Outer = z.infer<typeof envelope>;

function checkOuter(raw: unknown): Outer {
  const outer = envelope.safeParse(raw);
  if (!outer.success) throw new EventFormatError(`event envelope: ${z.prettifyError(outer.error)}`);
  return outer.data;
}

/**
 * What is around the data, where it is certainly good; undefined where the schema has to look. Every
 * consumer reads every event, and nearly all are as we write them: this takes a fifth of the
 * schema's time.
 */
export function readPlainOuter(raw: unknown): Outer | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const { id, type, version, region, key, occurredAt, trace, data } = raw as Record<
    string,
    unknown
  >;
  if (typeof id !== "string" || !PLAIN_ID.test(id)) return undefined;
  if (typeof key !== "string" || !PLAIN_ID.test(key)) return undefined;
  if (typeof occurredAt !== "string" || !PLAIN_TIME.test(occurredAt)) return undefined;
  if (typeof type !== "string" || typeof region !== "string") return undefined;
  if (typeof trace !== "string" && trace !== null) return undefined;
  if (!Number.isSafeInteger(version) || Number(version) < 1) return undefined;
  return { id, type, version: Number(version), region, key, occurredAt, trace, data };
}

function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}
