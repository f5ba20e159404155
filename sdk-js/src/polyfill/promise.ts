/**
 * Promises whose jobs can be run to their end from inside a call.
 *
 * An operation is a synchronous export: it must have its result when it returns. The engine runs the jobs of its own
 * promises only between calls, so an `async` operation would never end. The build tool writes `async` functions as
 * generators over the global `Promise`, which is this one; {@link drain} runs its jobs.
 */

type Settle<T> = (value: T | PromiseLike<T>) => void;
type Reject = (reason: unknown) => void;

const jobs: (() => void)[] = [];

/** Run queued jobs, and those that they queue, until none is left. */
export function drain(): void {
  for (let at = 0; at < jobs.length; at++) {
    jobs[at]?.();
    // Spent jobs are let go now and then, so that a long chain does not grow without end.
    if (at === 1023) {
      jobs.splice(0, 1024);
      at = -1;
    }
  }
  jobs.length = 0;
}

/** Queue a job. */
export function enqueue(job: () => void): void {
  jobs.push(job);
}

/** A promise over {@link enqueue}. Source: ECMAScript, Promise objects. */
class Deferred<T> implements PromiseLike<T> {
  #state: "pending" | "fulfilled" | "rejected" = "pending";
  #value: unknown = undefined;
  #waiting: (() => void)[] = [];

  constructor(executor: (resolve: Settle<T>, reject: Reject) => void) {
    if (typeof executor !== "function") throw new TypeError("Promise needs a function");
    const [resolve, reject] = this.#resolvers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  /** A pair of which only the first call counts. */
  #resolvers(): [Settle<T>, Reject] {
    let used = false;
    const once = (act: (value: unknown) => void) => (value: unknown) => {
      if (used) return;
      used = true;
      act(value);
    };
    return [once((value) => this.#resolve(value)) as Settle<T>, once((reason) => this.#settle("rejected", reason))];
  }

  #resolve(value: unknown): void {
    if (value === this) return this.#settle("rejected", new TypeError("a promise cannot resolve to itself"));
    if ((typeof value !== "object" || value === null) && typeof value !== "function") return this.#settle("fulfilled", value);
    let then: unknown;
    try {
      then = (value as { then?: unknown }).then;
    } catch (error) {
      return this.#settle("rejected", error);
    }
    if (typeof then !== "function") return this.#settle("fulfilled", value);
    const call = then as (resolve: Settle<T>, reject: Reject) => void;
    const [resolve, reject] = this.#resolvers();
    enqueue(() => {
      try {
        call.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state: "fulfilled" | "rejected", value: unknown): void {
    this.#state = state;
    this.#value = value;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const job of waiting) enqueue(job);
  }

  then<A = T, B = never>(fulfilled?: ((value: T) => A | PromiseLike<A>) | null, rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Deferred<A | B> {
    return new Deferred<A | B>((resolve, reject) => {
      const job = (): void => {
        const handler = this.#state === "fulfilled" ? fulfilled : rejected;
        if (typeof handler !== "function") {
          if (this.#state === "fulfilled") resolve(this.#value as A);
          else reject(this.#value);
          return;
        }
        try {
          resolve(handler(this.#value as T) as A | B);
        } catch (error) {
          reject(error);
        }
      };
      if (this.#state === "pending") this.#waiting.push(job);
      else enqueue(job);
    });
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Deferred<T | B> {
    return this.then(undefined, rejected);
  }

  finally(act?: (() => void) | null): Deferred<T> {
    if (typeof act !== "function") return this.then();
    return this.then(
      (value) => Deferred.resolve(act()).then(() => value),
      (reason) => Deferred.resolve(act()).then(() => { throw reason; }),
    );
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  static resolve<T>(value?: T | PromiseLike<T>): Deferred<T> {
    return value instanceof Deferred ? value : new Deferred<T>((resolve) => resolve(value as T));
  }

  static reject(reason?: unknown): Deferred<never> {
    return new Deferred<never>((_, reject) => reject(reason));
  }

  static withResolvers<T>(): { promise: Deferred<T>; resolve: Settle<T>; reject: Reject } {
    let resolve!: Settle<T>;
    let reject!: Reject;
    const promise = new Deferred<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return { promise, resolve, reject };
  }

  static try<T>(call: (...values: unknown[]) => T | PromiseLike<T>, ...values: unknown[]): Deferred<T> {
    return new Deferred<T>((resolve) => resolve(call(...values)));
  }

  static all(values: Iterable<unknown>): Deferred<unknown[]> {
    return gather(values, (promise, index, results, done, reject) => {
      promise.then((value) => { results[index] = value; done(); }, reject);
    });
  }

  static allSettled(values: Iterable<unknown>): Deferred<unknown[]> {
    return gather(values, (promise, index, results, done) => {
      promise.then(
        (value) => { results[index] = { status: "fulfilled", value }; done(); },
        (reason) => { results[index] = { status: "rejected", reason }; done(); },
      );
    });
  }

  static any(values: Iterable<unknown>): Deferred<unknown> {
    const turned = gather(values, (promise, index, results, done, reject) => {
      promise.then(reject, (reason) => { results[index] = reason; done(); });
    });
    return turned.then(
      (reasons) => { throw new AggregateError(reasons, "every promise was rejected"); },
      (value) => value,
    );
  }

  static race(values: Iterable<unknown>): Deferred<unknown> {
    return new Deferred<unknown>((resolve, reject) => {
      for (const value of values) Deferred.resolve(value).then(resolve, reject);
    });
  }
}

type Watch = (promise: Deferred<unknown>, index: number, results: unknown[], done: () => void, reject: Reject) => void;

/** Watch all values and resolve with one result for each once `done` was called for each. */
function gather(values: Iterable<unknown>, watch: Watch): Deferred<unknown[]> {
  return new Deferred<unknown[]>((resolve, reject) => {
    const results: unknown[] = [];
    let open = 1;
    const done = (): void => {
      open -= 1;
      if (open === 0) resolve(results);
    };
    let index = 0;
    for (const value of values) {
      open += 1;
      watch(Deferred.resolve(value), index, results, done, reject);
      index += 1;
    }
    done();
  });
}

const globals = globalThis as unknown as Record<string, unknown>;
globals["Promise"] = Deferred;
globals["queueMicrotask"] = (job: () => void): void => enqueue(job);
