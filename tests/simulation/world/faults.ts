/** What goes wrong, and when: drawn from the seed. */
import type { Simulation } from "./simulation.ts";
import type { Fate, Request } from "./scheduler.ts";

/** Most seeds are short and dense; the others are long enough for leases to end. */
const SHORT_MS = 2_500;
const LONG_MS = 10_000;
const LONG_SHARE = 0.4;
/** Where processes only contend for a lease, little happens per second. */
const OWNERS_MS = 40_000;
/** Longer than a lease lives (6 s), so that a stopped owner comes back as a zombie. */
const MAX_FREEZE_MS = 9_000;
const MAX_DOWN_MS = 2_000;
/** Between two looks of the fault drawer. */
const MAX_BETWEEN_MS = 700;
/** Between the two stops of a process that is stopped, continued and stopped again. */
const MAX_FLAP_MS = 30;

/** Of requests that are slow, in the network or on the server's disk. */
const SLOW_CHANCE = 0.1;
const MAX_DELAY_MS = 150;

type Fault = () => void;

export class Faults {
  readonly counts = new Map<string, number>();
  readonly #durationMs: number;
  #endsAtMs = 0;
  readonly #world: Simulation;
  /** Chances of a request's fates, the same all through a run. */
  readonly #chance: { refused: number; replyLost: number; silent: number };
  readonly #faults: readonly (readonly [string, number, Fault])[];
  #isActive = false;
  #backup: ReturnType<Simulation["redis"]["backup"]> | undefined;

  constructor(world: Simulation) {
    this.#world = world;
    const { random } = world;
    const usualMs = random() < LONG_SHARE ? LONG_MS : SHORT_MS;
    this.#durationMs = (world.hasOnlyOwners ? OWNERS_MS : usualMs) * (0.6 + random() * 0.8);
    const scale = [0, 0.003, 0.01, 0.03][Math.floor(random() * 4)] ?? 0;
    this.#chance = { refused: scale, replyLost: scale, silent: scale / 4 };
    const weight = () => random() < 0.4 ? 0 : random();
    this.#faults = [
      ["kill", weight() * 3, () => this.#kill()],
      ["freeze", weight() * 3, () => this.#freeze()],
      ["stop", weight(), () => this.#stop()],
      ["postgres crash", weight() * 0.7, () => world.postgres.crash(random() * MAX_DOWN_MS)],
      ["redis restart", weight() * 0.7, () => world.network.restart(random() * MAX_DOWN_MS)],
      ["redis wipe", weight() * 0.7, () => this.#wipe()],
      ["redis rewind", weight() * 0.7, () => this.#rewind()],
      ["suspend", weight() * 0.3, () => this.#suspend()],
    ];
  }

  begin(): void {
    this.#isActive = true;
    this.#endsAtMs = this.#world.scheduler.nowMs + this.#durationMs;
    this.#next();
  }

  isTimeUp(): boolean {
    return this.#world.scheduler.nowMs >= this.#endsAtMs;
  }

  /** From now on nothing goes wrong. Mostly all processes return; sometimes one stays away. */
  stop(): void {
    this.#isActive = false;
    const { random, members, postgres, network } = this.#world;
    postgres.isDown = false;
    network.isDown = false;
    this.#world.scheduler.endSilence();
    const spare = random() < 0.3 ? members.filter((member) => isSpare(member.name)) : [];
    const away = spare[Math.floor(random() * spare.length)];
    for (const member of members) {
      if (member === away) this.#world.kill(member);
      else if (member.life === undefined) this.#world.start(member);
      else member.life.thaw();
      if (member.life !== undefined) member.life.weight = 1;
    }
    this.#world.scheduler.trace(() =>
      `faults stop${away === undefined ? "" : `; ${away.name} stays away`}`
    );
  }

  /** A process that was asked to stop has drained: the next one starts. */
  onStopped(member: Simulation["members"][number]): void {
    if (this.#isActive) this.#restart(member);
    else this.#world.start(member);
  }

  drawFate(request: Request): Fate {
    if (!this.#isActive || request.life.isOver) return "arrives";
    const draw = this.#world.random();
    const { refused, replyLost, silent } = this.#chance;
    const fate = draw < refused
      ? "refused"
      : draw < refused + replyLost
      ? "reply_lost"
      : draw < refused + replyLost + silent
      ? "silent"
      : "arrives";
    if (fate !== "arrives") this.#count(fate);
    return fate;
  }

  /** Some requests are long on their way; others overtake them. */
  drawDelayMs(): number {
    if (!this.#isActive || this.#world.random() >= SLOW_CHANCE) return 0;
    return this.#world.random() * MAX_DELAY_MS;
  }

  #next(): void {
    const { scheduler, random } = this.#world;
    scheduler.at(random() * MAX_BETWEEN_MS, () => {
      if (!this.#isActive) return;
      this.#happen();
      this.#next();
    });
  }

  #happen(): void {
    const { random, scheduler } = this.#world;
    const total = this.#faults.reduce((sum, [, weight]) => sum + weight, 0);
    let draw = random() * total;
    for (const [name, weight, fault] of this.#faults) {
      draw -= weight;
      if (draw >= 0 || weight === 0) continue;
      scheduler.trace(() => `FAULT ${name}`);
      this.#count(name);
      fault();
      return;
    }
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  #someone() {
    const { members, postgres, random } = this.#world;
    const alive = members.filter(({ life }) => life !== undefined);
    // Half the time where it hurts most.
    const amidst = random() < 0.5
      ? alive.filter(({ life }) => life !== undefined && postgres.isInTransaction(life))
      : [];
    const some = amidst.length > 0 ? amidst : alive;
    return some[Math.floor(random() * some.length)];
  }

  #kill(): void {
    const member = this.#someone();
    if (member === undefined) return;
    // Not at this point in time, but at one in the midst of its work.
    this.#world.scheduler.at(this.#world.random() * 50, () => {
      if (!this.#isActive) return;
      this.#world.kill(member);
      this.#restart(member);
    });
  }

  #restart(member: Simulation["members"][number]): void {
    const { scheduler, random } = this.#world;
    scheduler.at(random() * MAX_DOWN_MS, () => {
      if (member.life === undefined && this.#isActive) this.#world.start(member);
    });
  }

  /** SIGSTOP and SIGCONT, half the time twice: it has just looked, and goes on much later. */
  #freeze(): void {
    const { random, scheduler } = this.#world;
    const life = this.#someone()?.life;
    const others = this.#world.members.map((member) => member.life);
    // Where everybody sleeps, nobody takes over.
    if (!others.some((other) => other !== life && other?.isAwake === true)) return;
    // A third of them just short of what ends an idle transaction, and so the longest zombies.
    const durationMs = random() < 0.33 ? 4_000 + random() * 1_000 : random() * MAX_FREEZE_MS;
    life?.freeze(durationMs);
    if (random() < 0.5) return;
    scheduler.at(durationMs + random() * MAX_FLAP_MS, () => {
      if (this.#isActive) life?.freeze(random() * MAX_FREEZE_MS);
    });
  }

  /** SIGTERM: it drains, and a new one starts. */
  #stop(): void {
    const member = this.#someone();
    member?.life?.askToStop();
    this.#world.scheduler.at(MAX_DOWN_MS * 2, () => {
      if (!this.#isActive || member?.life?.signal.aborted !== true) return;
      this.#world.kill(member);
      this.#restart(member);
    });
  }

  #wipe(): void {
    const { network, random } = this.#world;
    if (random() < 0.5) network.server.wipe();
    else network.restart(random() * MAX_DOWN_MS, (server) => server.wipe());
  }

  /**
   * A failover to a replica that was behind, or a crash that lost the end of the file. With the end
   * goes the newest fence, so this comes without a relay that was stopped and continues: against
   * both at once the order of a key is not promised (docs/failures.md).
   */
  #rewind(): void {
    const { network, scheduler, random } = this.#world;
    this.#backup = network.server.backup();
    scheduler.at(random() * 1_000, () => {
      if (!this.#isActive || this.#backup === undefined) return;
      const backup = this.#backup;
      for (const member of this.#world.formerRelays()) {
        this.#world.kill(member);
        this.#restart(member);
      }
      network.restart(random() * 200, (server) => server.restore(backup));
    });
  }

  /** The whole machine sleeps: every deadline passes at once. */
  #suspend(): void {
    const sleptMs = this.#world.random() < 0.5 ? 16 * 60_000 : 121 * 60_000;
    this.#world.scheduler.nowMs += sleptMs;
    this.#endsAtMs += sleptMs;
  }
}

function isSpare(name: string): boolean {
  return name.endsWith("-2");
}
