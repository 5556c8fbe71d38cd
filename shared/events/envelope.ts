import { z } from "zod";
import { type Envelope, EVENTS, type EventType } from "./catalogue.ts";

const envelope = z.object({
  id: z.uuid(),
  type: z.string(),
  version: z.int().min(1),
  region: z.string(),
  key: z.uuid(),
  occurredAt: z.iso.datetime(),
  trace: z.string().nullable(),
  data: z.unknown(),
});

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
  const outer = envelope.safeParse(raw);
  if (!outer.success) throw new EventFormatError(`event envelope: ${z.prettifyError(outer.error)}`);
  if (!isEventType(outer.data.type)) return undefined;
  const data = EVENTS[outer.data.type].data.safeParse(outer.data.data);
  if (!data.success) {
    throw new EventFormatError(`${outer.data.type}: ${z.prettifyError(data.error)}`);
  }
  // The pair of type and data was just checked against one catalogue entry.
  return { ...outer.data, data: data.data } as Envelope;
}

function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}
