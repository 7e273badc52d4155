/** A daemon has a certificate, and another one in time, whatever the API says. */

import { describe, expect, it } from "vitest";
import { type Api, ApiError, type ApiRequest, ApiUnreachable } from "../../../../src/kube/api.ts";
import { readCurrentCertificate } from "../../../../src/kube/certificates/certificate-file.ts";
import { NodeCertificate } from "../../../../src/kube/certificates/node-certificate.ts";
import { renewalTime } from "../../../../src/kube/certificates/validity.ts";
import { signCertificate } from "../../../support/certificate-signer.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

const user = "system:multus:node-1";
const patience = { timeout: 30_000, interval: 20 };

interface Asked {
  readonly as: "bootstrap" | "self";
  readonly at: number;
  readonly spec: { readonly request: string; readonly [key: string]: unknown };
}

/** The API's requests for certificates, and a signer beside it. */
class Signer implements Disposable {
  readonly asked: Asked[] = [];
  readonly #started: NodeCertificate[] = [];
  /** In place of the answer to who creates one. */
  refuse: (as: Asked["as"]) => Error | undefined = () => undefined;
  /** Its status. */
  status: (request: string) => object = (request) => this.signed(request, 3_600_000);
  /** In place of the answer to a look at one. */
  lookFails: () => Error | undefined = () => undefined;

  signed(request: string, lifeMs: number, from = Date.now()): object {
    return {
      conditions: [{ type: "Approved" }],
      certificate: Buffer.from(signCertificate(request, from, from + lifeMs)).toString("base64"),
    };
  }

  /** A daemon that asks for a certificate; it ends with this. */
  start(directory: ScratchDirectory, log = new RecordingLogger(), nodeName = "node-1"): NodeCertificate {
    const certificate = new NodeCertificate({
      nodeName,
      certDir: directory.path,
      seconds: 600,
      asBootstrap: this.as("bootstrap"),
      asSelf: this.as("self"),
      log,
      random: () => 0,
    });
    this.#started.push(certificate);
    return certificate;
  }

  [Symbol.dispose](): void {
    for (const certificate of this.#started) certificate.close();
  }

  as(as: Asked["as"]): Api {
    return {
      request: async <Answer>({ method, path, body }: ApiRequest) =>
        (method === "POST" ? this.#create(as, body) : this.#look(path)) as Answer,
      watch: () => Promise.reject(new Error("not part of this test")),
    };
  }

  #create(as: Asked["as"], body: unknown): object {
    const refusal = this.refuse(as);
    if (refusal !== undefined) throw refusal;
    const { spec } = body as Pick<Asked, "spec">;
    this.asked.push({ as, at: Date.now(), spec });
    return { metadata: { name: `multus-${this.asked.length}` } };
  }

  #look(path: string): object {
    const failure = this.lookFails();
    if (failure !== undefined) throw failure;
    const encoded = this.asked[Number(path.split("-").at(-1)) - 1]?.spec.request ?? "";
    return { status: this.status(Buffer.from(encoded, "base64").toString()) };
  }
}

// Side by side, as two of them wait for a renewal.
describe.concurrent("a node's certificate", () => {
  it("is asked for as client-go does it, stored, and valid then", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    const certificate = signer.start(directory);
    expect(() => certificate.check()).toThrow(/certificate of system:multus:node-1 .* is not there yet/);
    await expect.poll(() => certificate.validUntil, patience).toBeDefined();
    certificate.check();
    expect(signer.asked).toMatchObject([
      {
        as: "bootstrap",
        spec: {
          signerName: "kubernetes.io/kube-apiserver-client",
          usages: ["digital signature", "client auth"],
          expirationSeconds: 600,
        },
      },
    ]);
    expect(readCurrentCertificate(directory.path, user)?.until).toBe(certificate.validUntil);
  });

  it("is not asked for where there is a valid one", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    const first = signer.start(directory);
    await expect.poll(() => first.validUntil, patience).toBeDefined();
    first.close();
    signer.start(directory).check();
    expect(signer.asked).toHaveLength(1);
  });

  // A second is left to it then: on a machine that does much else it may end before, but not each time.
  it("is renewed by itself before it ends, at 80 % of its life and not before", { retry: 2 }, async ({
    expect,
  }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    signer.status = (request) => signer.signed(request, signer.asked.length === 1 ? 5_000 : 3_600_000);
    const certificate = signer.start(directory);
    await expect.poll(() => certificate.validUntil, patience).toBeDefined();
    const firstEnd = certificate.validUntil ?? 0;
    await expect.poll(() => signer.asked.length, patience).toBe(2);
    expect(signer.asked[1]).toMatchObject({ as: "self" });
    // Certificates count in whole seconds.
    expect(signer.asked[1]?.at).toBeGreaterThanOrEqual(firstEnd - 5_000 * 0.2 - 1_000);
    await expect.poll(() => certificate.validUntil, patience).toBeGreaterThan(firstEnd);
  });

  it("is asked for by the kubelet's credentials where its own are refused", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    signer.status = (request) => signer.signed(request, signer.asked.length === 1 ? 4_000 : 3_600_000);
    signer.refuse = (as) => (as === "self" ? new ApiError(403, "Forbidden", "no") : undefined);
    signer.start(directory);
    await expect.poll(() => signer.asked.map(({ as }) => as), patience).toEqual(["bootstrap", "bootstrap"]);
  });

  it("is made anew where the server does not take it, once", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    const first = signer.start(directory);
    await expect.poll(() => first.validUntil, patience).toBeDefined();
    first.close();
    const log = new RecordingLogger();
    const certificate = signer.start(directory, log);
    certificate.refused();
    certificate.refused();
    await expect.poll(() => signer.asked.map(({ as }) => as), patience).toEqual(["bootstrap", "bootstrap"]);
    await expect.poll(() => readCurrentCertificate(directory.path, user), patience).toBeDefined();
    // The new certificate is refused as well: that is not the certificate's fault.
    certificate.refused();
    expect(log.errors).toEqual(["certificate: the API server refuses it; requesting another one"]);
  });

  it("is not asked for without end where what is signed is to be renewed already: clocks do not agree", async ({
    expect,
  }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    signer.status = (request) => signer.signed(request, 600_000, Date.now() - 590_000);
    const log = new RecordingLogger();
    const certificate = signer.start(directory, log);
    await expect.poll(() => log.causes.join(), patience).toContain("do the clocks of this node");
    // It is used for as long as it counts.
    certificate.check();
    await expect.poll(() => signer.asked.length, patience).toBeGreaterThan(1);
    const [first, second] = signer.asked;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(450);
  });

  it("is waited for while the API is away, with the reason for who asks", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    let isAway = true;
    signer.refuse = () => (isAway ? new ApiUnreachable("connect ECONNREFUSED") : undefined);
    const certificate = signer.start(directory);
    await expect.poll(() => messageOf(() => certificate.check()), patience).toContain("connect ECONNREFUSED");
    isAway = false;
    await expect.poll(() => certificate.validUntil, patience).toBeDefined();
  });

  it("is looked for again where a look at its request fails", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    let failures = 2;
    signer.lookFails = () => (failures-- > 0 ? new ApiError(503, "", "starting") : undefined);
    const certificate = signer.start(directory);
    await expect.poll(() => certificate.validUntil, patience).toBeDefined();
    expect(signer.asked).toHaveLength(1);
  });

  it.for<[string, object, RegExp]>([
    [
      "denied",
      { conditions: [{ type: "Denied", reason: "CSRDenied", message: "no such node" }] },
      /multus-1 was denied: CSRDenied: no such node/,
    ],
    [
      "failed",
      { conditions: [{ type: "Failed", message: "bad key" }] },
      /multus-1 could not be signed: bad key/,
    ],
  ])("says why there is none: %s", async ([, status, message], { expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    signer.status = () => status;
    const certificate = signer.start(directory);
    await expect.poll(() => messageOf(() => certificate.check()), patience).toMatch(message);
  });

  it("is not another node's that is on disk", async ({ expect }) => {
    using directory = new ScratchDirectory();
    using signer = new Signer();
    const other = signer.start(directory, new RecordingLogger(), "node-2");
    await expect.poll(() => other.validUntil, patience).toBeDefined();
    other.close();
    const log = new RecordingLogger();
    const certificate = signer.start(directory, log);
    expect(log.causes.join()).toContain("that of CN=system:multus:node-2, O=system:multus");
    await expect.poll(() => certificate.validUntil, patience).toBeDefined();
    expect(readCurrentCertificate(directory.path, user)).toBeDefined();
  });
});

function messageOf(work: () => void): string {
  try {
    work();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("the time of renewal", () => {
  it("is from 75 to 80 % of a life", () => {
    expect(renewalTime({ from: 1_000, until: 11_000 }, 0)).toBe(9_000);
    expect(renewalTime({ from: 1_000, until: 11_000 }, 1)).toBe(8_500);
  });
});
