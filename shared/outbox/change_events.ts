/**
 * How the events of a change stand in `outbox.events`: a line of JSON each, `{"id", "type",
 * "version", "data"}`. What all events of the change share (region, key, time, trace) has columns
 * of its own, and the relay puts it in front without reading the line.
 */
import { type EventInput, EVENTS } from "shared/events/catalogue.ts";
import { uuidv7 } from "shared/ids/uuid.ts";

/** Events of one change at most: the ids of the table leave room for so many (migration 009). */
export const MAX_EVENTS_PER_CHANGE = 100;

/** Where the id has its place in a line. */
const ID_START = '{"id":"'.length;
const ID_END = ID_START + 36;

/** A new event's line. JSON text has no line breaks but between values, and here none there. */
export function eventLine({ type, data }: EventInput, id: string = uuidv7()): string {
  return `{"id":"${id}","type":"${type}","version":${EVENTS[type].version},"data":${
    JSON.stringify(data)
  }}`;
}

/** What the events of a change share. */
export interface SharedFields {
  readonly region: string;
  readonly key: string;
  readonly occurredAt: Date;
  readonly trace: string | null;
}

/** An event on its way to the stream. */
export interface ReadyEvent {
  readonly id: string;
  /** The envelope as JSON. */
  readonly json: string;
}

/** The envelopes of a change's events, in their order. */
export function envelopesOf(
  { region, key, occurredAt, trace }: SharedFields,
  events: string,
): ReadyEvent[] {
  const shared = JSON.stringify({ region, key, occurredAt, trace });
  const head = `${shared.slice(0, -1)},`;
  return events.split("\n").map((line) => ({
    id: line.slice(ID_START, ID_END),
    json: head + line.slice(1),
  }));
}
