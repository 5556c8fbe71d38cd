/** Which event had which effect, and in which order. */

type Fields = Readonly<Record<string, string>>;

export class EffectLedger {
  /** Per key, its event ids in the order of their commits. */
  readonly #events = new Map<string, string[]>();
  readonly #lastVersion = new Map<string, number>();
  readonly #lastId = new Map<string, number>();
  /** Per consumer and key, how many events had their effect. */
  readonly #done = new Map<string, number>();
  readonly #effects = new Set<string>();
  readonly #parked = new Set<string>();

  /** A change was committed, with its events. Answers what is wrong with it. */
  addChange(row: Fields, eventIds: readonly string[]): string | undefined {
    const { key = "", id } = row;
    const version = Number(row["aggregate_version"]);
    const last = this.#lastVersion.get(key) ?? version - 1;
    const lastId = this.#lastId.get(key) ?? 0;
    this.#lastVersion.set(key, version);
    this.#lastId.set(key, Number(id));
    this.#events.set(key, [...this.#events.get(key) ?? [], ...eventIds]);
    if (version !== last + 1) return `events of ${key} go from version ${last} to ${version}`;
    if (Number(id) <= lastId) return `change ${id} of ${key} was committed after change ${lastId}`;
    return undefined;
  }

  /** A consumer's effect was committed: the next one of its key, once. */
  addEffect(row: Fields): string | undefined {
    const { consumer = "", key = "", event_id: eventId = "" } = row;
    const place = `${consumer} ${key}`;
    const done = this.#done.get(place) ?? 0;
    const expected = this.#events.get(key)?.[done];
    this.#done.set(place, done + 1);
    const isRepeated = this.#effects.has(`${consumer} ${eventId}`);
    this.#effects.add(`${consumer} ${eventId}`);
    if (isRepeated) return `${consumer} had the effect of event ${eventId} twice`;
    if (expected === eventId) return undefined;
    const at = this.#events.get(key)?.indexOf(eventId);
    return `${consumer} had effect ${at} of ${key} when ${done} was next`;
  }

  addParked(row: Fields): void {
    const { consumer = "", event = "" } = row;
    const fields: unknown = JSON.parse(event);
    if (typeof fields !== "object" || fields === null || !("id" in fields)) return;
    this.#parked.add(`${consumer} ${fields.id}`);
  }

  isSettled(consumer: string, eventId: string): boolean {
    const name = `${consumer} ${eventId}`;
    return this.#effects.has(name) || this.#parked.has(name);
  }

  /** Events that a consumer has neither handled nor parked. */
  unsettled(consumer: string): string[] {
    return [...this.#events.values()].flat().filter((id) => !this.isSettled(consumer, id));
  }

  counts(): { events: number; effects: number; parked: number } {
    const events = [...this.#events.values()].reduce((sum, ids) => sum + ids.length, 0);
    return { events, effects: this.#effects.size, parked: this.#parked.size };
  }
}
