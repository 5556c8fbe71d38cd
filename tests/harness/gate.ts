/** A door that a test opens when it wants the other side to go on. */
export class Gate {
  readonly #promise: Promise<void>;
  #open: () => void = () => {};
  #isOpen = false;

  constructor() {
    this.#promise = new Promise((resolve) => this.#open = resolve);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    this.#isOpen = true;
    this.#open();
  }

  /** Resolves once the gate is open. */
  passed(): Promise<void> {
    return this.#promise;
  }
}
