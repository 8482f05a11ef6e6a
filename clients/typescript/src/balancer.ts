import { setTimeout as sleep } from "node:timers/promises";

import { Address } from "./address.js";
import { untilAborted } from "./call_scope.js";
import type { Settings } from "./options.js";
import { addressesOf } from "./target.js";

const WAIT_FOR_READY_PAUSE_MS = 200;

/** Gives each call the next address that has a connection (`round_robin`). */
export class Balancer {
  readonly #addresses: Address[];
  #next: number;

  constructor(target: string, settings: Settings) {
    this.#addresses = addressesOf(target).map((name) => new Address(name, settings));
    // Many clients that start together must not all begin with the first server.
    this.#next = Math.floor(Math.random() * this.#addresses.length);
  }

  /**
   * The address for one attempt of a call.
   *
   * @param waitForReady - Whether to try on, until the signal is aborted, while none can be reached.
   * @throws ConnectError with UNAVAILABLE when none can be reached; the signal's reason when it is aborted.
   */
  async pick(signal: AbortSignal, waitForReady: boolean): Promise<Address> {
    for (;;) {
      const picked = (await this.#connected(signal)) ?? (await this.#firstToConnect(signal));
      if (picked !== undefined) {
        return picked;
      }
      if (!waitForReady) {
        throw this.#inOrder()[0]?.failure ?? new Error("the target has no address");
      }
      await sleep(WAIT_FOR_READY_PAUSE_MS, undefined, { signal });
    }
  }

  /** Ends all connections with their calls. */
  close(): void {
    for (const address of this.#addresses) {
      address.close();
    }
  }

  /** The next address that has a connection; the others are called on in the background. */
  async #connected(signal: AbortSignal): Promise<Address | undefined> {
    const candidates = this.#inOrder().filter((address) => address.isConnected);
    if (candidates.length === 0) {
      return undefined;
    }
    for (const address of this.#addresses) {
      if (!address.isConnected) {
        address.knock();
      }
    }
    for (const address of candidates) {
      if (await untilAborted(address.connect(), signal)) {
        return this.#picked(address);
      }
    }
    return undefined;
  }

  async #firstToConnect(signal: AbortSignal): Promise<Address | undefined> {
    const attempts = this.#inOrder().map(async (address) => {
      if (!(await address.connect())) {
        throw address.failure;
      }
      return address;
    });
    try {
      return this.#picked(await untilAborted(Promise.any(attempts), signal));
    } catch (error) {
      if (error instanceof AggregateError) {
        return undefined;
      }
      throw error;
    }
  }

  #picked(address: Address): Address {
    this.#next = (this.#addresses.indexOf(address) + 1) % this.#addresses.length;
    return address;
  }

  #inOrder(): Address[] {
    return [...this.#addresses.slice(this.#next), ...this.#addresses.slice(0, this.#next)];
  }
}
