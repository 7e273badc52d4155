/** A real browser without a window: opens a page, and says what it sees, in light or in dark. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex, Readable, Writable } from "node:stream";
import { ScratchDirectory } from "./scratch-directory.ts";
import { session, sessionVariable } from "./session.ts";

type Json = Readonly<Record<string, unknown>>;

/** A message of the DevTools protocol. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

/** Milliseconds for one answer: a browser that starts on a busy machine takes seconds. */
const patience = 60_000;

export interface PageOptions {
  readonly scheme: "light" | "dark";
  /** CSS pixels. */
  readonly width: number;
}

/** A page that was opened. */
export interface OpenPage {
  /** The page's console output, its exceptions, and the browser's complaints. */
  readonly complaints: readonly string[];
  /** URLs that were asked for. */
  readonly requests: readonly string[];
  /** The value of an expression in the page, as JSON. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** The whole page as PNG. */
  screenshot(): Promise<Buffer>;
}

export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #scratch: ScratchDirectory;
  readonly #input: Writable;
  readonly #answers = new Map<number, PromiseWithResolvers<Json>>();
  readonly #listeners = new Set<(message: Message) => void>();
  #received = "";
  #stderr = "";
  #lastId = 0;

  private constructor(process: ChildProcess, scratch: ScratchDirectory) {
    this.#process = process;
    this.#scratch = scratch;
    const [, , , input, output] = process.stdio;
    if (!(input instanceof Writable || input instanceof Duplex) || !(output instanceof Readable)) {
      throw new Error("the browser's pipes are none");
    }
    this.#input = input;
    output.setEncoding("utf8").on("data", (text: string) => this.#take(text));
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
    process.once("exit", (code) => {
      for (const { reject } of this.#answers.values()) {
        reject(new Error(`chromium ended with ${code}: ${this.#stderr}`));
      }
    });
  }

  /** Starts chromium. It is root here, as the tests are, and shows nothing but files of theirs: without its own sandbox. */
  static async start(): Promise<Browser> {
    const scratch = new ScratchDirectory("browser");
    const child = spawn(
      "chromium",
      [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
        ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        ...[`--user-data-dir=${scratch.path}`, "--remote-debugging-pipe", "--hide-scrollbars"],
      ],
      {
        env: { ...process.env, [sessionVariable]: session, HOME: scratch.path },
        stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
      },
    );
    const browser = new Browser(child, scratch);
    try {
      await browser.#send("Browser.getVersion");
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
    return browser;
  }

  /** Opens a page, and waits until it has loaded. @param url of a file */
  async open(url: string, { scheme, width }: PageOptions): Promise<OpenPage> {
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId, flatten: true });
    const own = String(sessionId);
    const complaints: string[] = [];
    const requests: string[] = [];
    const loaded = Promise.withResolvers<void>();
    this.#listeners.add(({ method, params, sessionId: of }) => {
      if (of !== own) return;
      if (method === "Page.loadEventFired") loaded.resolve();
      if (method === "Network.requestWillBeSent") {
        const { request } = params as { readonly request: { readonly url: string } };
        requests.push(request.url);
      }
      if (["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"].includes(method ?? "")) {
        complaints.push(`${method}: ${JSON.stringify(params)}`);
      }
    });
    const send = (method: string, params: Json = {}) => this.#send(method, params, own);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
    await send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    await send("Emulation.setDeviceMetricsOverride", {
      ...{ width, height: 900, deviceScaleFactor: 1, mobile: false },
    });
    await send("Page.navigate", { url });
    await loaded.promise;
    return {
      complaints,
      requests,
      async evaluate<Value>(expression: string): Promise<Value> {
        const { result, exceptionDetails } = await send("Runtime.evaluate", {
          expression,
          returnByValue: true,
        });
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
        return (result as { readonly value: Value }).value;
      },
      async screenshot() {
        const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
        return Buffer.from(String(data), "base64");
      },
    };
  }

  #take(text: string): void {
    this.#received += text;
    for (let end = this.#received.indexOf("\0"); end >= 0; end = this.#received.indexOf("\0")) {
      const message: Message = JSON.parse(this.#received.slice(0, end));
      this.#received = this.#received.slice(end + 1);
      const waiting = message.id === undefined ? undefined : this.#answers.get(message.id);
      if (waiting === undefined) for (const listener of this.#listeners) listener(message);
      else if (message.error === undefined) waiting.resolve(message.result ?? {});
      else waiting.reject(new Error(message.error.message));
    }
  }

  async #send(method: string, params: Json = {}, sessionId?: string): Promise<Json> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Json>();
    this.#answers.set(id, answer);
    const timer = setTimeout(
      () => answer.reject(new Error(`chromium does not answer ${method}: ${this.#stderr}`)),
      patience,
    );
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#answers.delete(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await ended;
    }
    this.#scratch[Symbol.dispose]();
  }
}
