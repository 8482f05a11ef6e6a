/** Wakes those who wait for a condition; they then look at it again. */
export class Wakeup {
  #waiting: (() => void)[] = [];

  /** Resolves at the next `notify`. Look at the condition first, without an `await` in between. */
  async wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) {
      resolve();
    }
  }
}
