/**
 * The product's own Redis client with its socket taken away: commands go to whoever runs the
 * simulation, and replies come from there. What is built on the client's methods, types and reply
 * transformations stays as it is.
 */
import { Redis } from "ioredis";

type Command = Parameters<Redis["sendCommand"]>[0];

/** Where commands go. */
export interface RedisWire {
  /** Must settle the request, now or later. */
  send(request: RedisRequest): void;
  /** The client gives the connection up; what is under way has no answer any more. */
  cut(): void;
}

export interface RedisRequest {
  readonly name: string;
  readonly args: readonly string[];
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

export class WiredRedis extends Redis {
  readonly #wire: RedisWire;
  #isClosed = false;

  constructor(wire: RedisWire) {
    super({ lazyConnect: true, enableOfflineQueue: false });
    this.#wire = wire;
  }

  override connect(): Promise<void> {
    this.#isClosed = false;
    return Promise.resolve();
  }

  override disconnect(isReconnecting = false): void {
    this.#isClosed = !isReconnecting;
    // The base class calls this while it is made, before there is a wire.
    this.#wire?.cut();
  }

  override sendCommand(command: Command): Promise<unknown> {
    if (this.#isClosed) command.reject(new Error("Connection is closed."));
    else {
      this.#wire.send({
        name: command.name,
        args: command.args.map(String),
        resolve: (reply) => command.resolve(reply),
        reject: (error) => command.reject(error),
      });
    }
    return command.promise;
  }
}
