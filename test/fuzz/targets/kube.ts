/** Targets: what Kubernetes, its kubeconfigs and its credential programs say, and certificates. */

import { InputError } from "../../../src/base/input-error.ts";
import { isJsonObject } from "../../../src/base/json.ts";
import { ApiError } from "../../../src/kube/api.ts";
import { answerError, retryAfterMs, statusError } from "../../../src/kube/api-answer.ts";
import { checkPair } from "../../../src/kube/certificates/certificate-file.ts";
import { certificateSeconds } from "../../../src/kube/certificates/duration.ts";
import { parseGoDuration } from "../../../src/kube/certificates/go-duration.ts";
import {
  makeSigningRequest,
  readSigningRequest,
  subjectBytes,
} from "../../../src/kube/certificates/pkcs10.ts";
import { keptClaim, keptClaimPod } from "../../../src/kube/claim-objects.ts";
import { parseExecCredential } from "../../../src/kube/exec-credential.ts";
import { parseKubeconfig } from "../../../src/kube/kubeconfig.ts";
import { keptNad } from "../../../src/kube/nads.ts";
import { isNamespaceName, isObjectName } from "../../../src/kube/object-names.ts";
import { keptPod } from "../../../src/kube/pods.ts";
import { environmentProxy } from "../../../src/kube/proxy-environment.ts";
import { keptSlice } from "../../../src/kube/resource-slices.ts";
import { keptRunningPod } from "../../../src/kube/running-pods.ts";
import { WatchLines } from "../../../src/kube/watch-lines.ts";
import { requestKey } from "../../support/certificate-request.ts";
import { goldenTexts } from "../engine/golden.ts";
import {
  attempt,
  attemptLater,
  type FuzzTarget,
  must,
  mustEqual,
  mustKeepPrototypes,
} from "../engine/target.ts";

const execVersion = "client.authentication.k8s.io/v1";

export const kubeconfigTarget: FuzzTarget = {
  name: "kube/kubeconfig",
  covers: ["src/kube/kubeconfig.ts parseKubeconfig"],
  seeds: () => [
    "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: YWJj, tls-server-name: x}}]\nusers:\n- name: a\n  user: {token: abc, tokenFile: t}\ncontexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n",
    `clusters: [{name: a, cluster: {server: 'http://[::1]', insecure-skip-tls-verify: true}}]\nusers: [{name: a, user: {exec: {apiVersion: ${execVersion}, command: x, args: [a], env: [{name: A, value: b}]}}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n`,
    '{"clusters":[{"name":"a","cluster":{"server":"https://a"}}],"users":[{"name":"a","user":{"client-certificate":"c","client-key":"k"}}],"contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"current-context":"a"}',
  ],
  words: [
    "server: ",
    "token: ",
    "&a ",
    "*a",
    "<<: *a",
    "name: __proto__",
    "- ",
    "exec: {",
    "username: a",
    "file:///",
    "proxy-url: x",
    "proxy-url: socks5://a:b@c:1",
    "server: 'https://[10.0.0.1]:443'",
  ],
  async run(input) {
    const config = await attemptLater(input, [InputError], () => parseKubeconfig(input, "/k/config"));
    must(config === undefined || /^https?:$/.test(config.server.protocol), "another protocol");
    must(config?.proxy === undefined || isProxy(config.proxy.url), "another protocol of a proxy");
  },
};

function isProxy({ protocol, hostname }: URL): boolean {
  return /^(?:https?|socks5h?):$/.test(protocol) && hostname !== "";
}

/** The server, the proxy and NO_PROXY, a line each. */
export const proxyEnvironmentTarget: FuzzTarget = {
  name: "kube/proxy-environment",
  covers: [],
  seeds: () => [
    "https://10.96.0.1:443\nhttp://us:pw@proxy.example:3128\n10.0.0.0/8,.svc,*.example,[fd00::1]:443,fd00::/8",
    "http://[fd00::1]:8080\nproxy:3128\n*",
  ],
  words: ["socks5://", "/33", "::ffff:10.0.0.1", ":443", ",,", "*.", "[", "]", "%zz@"],
  run(input) {
    const [address = "", proxy = "", noProxy = ""] = input.toString("utf8").split("\n");
    if (!/^https?:/.test(address) || !URL.canParse(address)) return;
    const env = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: noProxy };
    const choice = attempt(input, [InputError], () => environmentProxy(new URL(address), env));
    must(choice === undefined || isProxy(choice.url), "another protocol of a proxy");
  },
};

export const execCredentialTarget: FuzzTarget = {
  name: "kube/exec-credential",
  covers: ["src/kube/exec-credential.ts parseExecCredential"],
  seeds: () => [
    `{"apiVersion":"${execVersion}","kind":"ExecCredential","status":{"token":"abc","expirationTimestamp":"2030-01-01T00:00:00Z"}}`,
    `{"apiVersion":"${execVersion}","kind":"ExecCredential","status":{"clientCertificateData":"c","clientKeyData":"k"}}`,
  ],
  words: ['"token":""', '"expirationTimestamp":"x"', '"status":null'],
  run(input) {
    const credential = attempt(input, [Error], () =>
      parseExecCredential(input.toString("utf8"), execVersion),
    );
    if (credential === undefined) return;
    must((credential.token ?? credential.clientCertificate ?? "") !== "", "nothing to show");
    must(!Number.isNaN(credential.expiresAt ?? 0), "no time");
  },
};

const limit = 2_000;

export const watchLinesTarget: FuzzTarget = {
  name: "kube/watch-lines",
  covers: [],
  seeds: () => ['{"type":"ADDED","object":{}}\n{"type":"BOOKMARK"}\n', "\n\né\n"],
  words: ["\n", "\r\n"],
  run(input) {
    const seen: string[] = [];
    const lines = new WatchLines(limit, (line) => seen.push(line.toString("latin1")));
    const expected = input.toString("latin1").split("\n");
    const isTooLong = expected.some((line) => line.length > limit);
    const pieceLength = 1 + (input[0] ?? 0);
    const isRead = attempt(input, [RangeError], () => {
      for (let at = 0; at < input.length; at += pieceLength) lines.push(input.subarray(at, at + pieceLength));
      return true;
    });
    must((isRead === undefined) === isTooLong, "the limit of a line");
    if (isRead)
      mustEqual(
        seen,
        expected.slice(0, -1).filter((line) => line !== ""),
        "lines",
      );
  },
};

export const answersTarget: FuzzTarget = {
  name: "kube/answers",
  covers: ["src/kube/pods.ts keptPod", "src/kube/nads.ts keptNad", "src/kube/running-pods.ts keptRunningPod"],
  seeds: () => [
    '{"kind":"Status","status":"Failure","message":"x","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}',
    '{"kind":"Pod","metadata":{"uid":"1-2","annotations":{"k8s.v1.cni.cncf.io/networks":"a","k8s.v1.cni.cncf.io/network-status":"[]"}}}',
    '{"metadata":{"uid":"1","annotations":{"k8s.v1.cni.cncf.io/networks":"a","kubernetes.io/config.mirror":"h"},"ownerReferences":[{"kind":"Node","controller":true}]},"spec":{"hostNetwork":false}}',
    '{"metadata":{"annotations":{"k8s.v1.cni.cncf.io/resourceName":"r"}},"spec":{"config":"{}"}}',
    ...goldenTexts((key) => key === "pod" || key === "nads").slice(0, 10),
  ],
  words: [
    '"metadata":{}',
    '"annotations":{"__proto__":"a"}',
    '"spec":{"config":1}',
    '"retryAfterSeconds":1e9',
    '"deletionTimestamp":"x"',
    '"ownerReferences":[null,{"controller":true}]',
  ],
  run(input) {
    const error = answerError("GET /x", 500, input, input.toString("latin1", 0, 30));
    must(error instanceof ApiError && error.message.startsWith("GET /x: 500"), "no ApiError");
    must(
      error.message.length <= input.length + 300 && (error.retryAfterMs ?? 0) >= 0,
      "its text, or its wait",
    );
    must((retryAfterMs(input.toString("utf8")) ?? 0) >= 0, "a wait that is none");
    let object: unknown;
    try {
      object = JSON.parse(input.toString("utf8"));
    } catch {
      return;
    }
    const pod = keptPod(object);
    mustKeepPrototypes(pod);
    must(
      Object.values(pod.annotations).every((text) => typeof text === "string"),
      "an annotation that is no text",
    );
    if (isJsonObject(object)) {
      const running = keptRunningPod(object, { namespace: "a", name: "b", resourceVersion: "1" });
      mustKeepPrototypes(running);
      must((running?.runtimeUid.length ?? 0) <= Math.max(64, pod.uid.length), "a long UID");
    }
    const nad = keptNad(object, "a", "b");
    must(
      Object.values(nad.annotations).every((text) => typeof text === "string"),
      "an annotation that is no text",
    );
    if (typeof object !== "object" || object === null || Array.isArray(object)) return;
    const { status } = statusError(object as Readonly<Record<string, unknown>>);
    must(status >= 400 && status < 600, "no status of an error");
  },
};

const pem = (bytes: Uint8Array) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;

export const signingRequestTarget: FuzzTarget = {
  name: "kube/signing-request",
  covers: ["src/kube/certificates/pkcs10.ts readSigningRequest"],
  seeds: () => {
    const text = makeSigningRequest("system:multus:node-1", "system:multus", requestKey);
    return [Buffer.from(text.replace(/-----[A-Z ]+-----/g, ""), "base64"), text, subjectBytes("a", "b")];
  },
  words: [
    "\x30\x80",
    "\x30\x84\xff\xff\xff\xff",
    "\xa0\x00",
    "\x03\x02\x00\x00",
    "-----BEGIN CERTIFICATE REQUEST-----\n",
  ],
  run(input) {
    for (const text of [pem(input), input.toString("latin1")]) {
      const request = attempt(input, [InputError], () => {
        const { commonNames, attributes } = readSigningRequest(text);
        return { commonNames, attributes };
      });
      // Its signature is that of the one key that there is: nothing of what was signed can differ.
      if (request !== undefined)
        mustEqual(request, { commonNames: ["system:multus:node-1"], attributes: 0 }, "signed by nobody");
    }
  },
};

export const certificateTarget: FuzzTarget = {
  name: "kube/certificate",
  covers: [],
  seeds: () => [
    "-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n",
    String(requestKey.export({ type: "pkcs8", format: "pem" })),
  ],
  words: ["-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n"],
  run(input) {
    const text = input.toString("latin1");
    const validity = attempt(input, [InputError], () => checkPair(text, text, "system:multus:a", "pair"));
    must(validity === undefined, "a certificate of a key that signed none");
  },
};

export const wordsTarget: FuzzTarget = {
  name: "kube/words",
  covers: ["src/kube/certificates/go-duration.ts parseGoDuration"],
  seeds: () => ["10m", "1h30m", "1.5h", ".5s", "+0", "100µs", "kube-system", "a.b-c", "24h"],
  words: ["h", "m", "s", "ms", "µs", ".", "-", "1e9", "0"],
  run(input) {
    const text = input.toString("utf8");
    const milliseconds = parseGoDuration(text);
    must(milliseconds === undefined || milliseconds >= 0, "a duration below 0");
    const seconds = attempt(input, [InputError], () => certificateSeconds(text, "duration"));
    must(
      seconds === undefined || (Number.isInteger(seconds) && seconds >= 600 && seconds < 2 ** 31),
      "no lifetime",
    );
    for (const name of [isNamespaceName, isObjectName].filter((is) => is(text)).map(() => text)) {
      must(
        new URL(`/a/${name}/b`, "http://server").pathname === `/a/${name}/b`,
        "a name that changes a path",
      );
    }
  },
};

/** A pod, a ResourceClaim or a ResourceSlice: each reader gets each. */
export const claimTarget: FuzzTarget = {
  name: "kube/claims",
  covers: [
    "src/kube/claim-objects.ts keptClaimPod",
    "src/kube/claim-objects.ts keptClaim",
    "src/kube/resource-slices.ts keptSlice",
  ],
  seeds: () => [
    '{"metadata":{"uid":"u"},"spec":{"nodeName":"n","initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{"name":"a","resources":{"claims":[{"name":"c","request":"r"}]}}],"resourceClaims":[{"name":"c","resourceClaimName":"x"},{"name":"t"}]},"status":{"resourceClaimStatuses":[{"name":"t","resourceClaimName":"y"}],"extendedResourceClaimStatus":{"resourceClaimName":"e","requestMappings":[{"containerName":"a","resourceName":"a/b","requestName":"r"}]}}}',
    '{"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"d","pool":"p","device":"vf","adminAccess":true}]}},"reservedFor":[{"resource":"pods","name":"web","uid":"u"}]}}',
    '{"spec":{"driver":"d","nodeName":"n","pool":{"name":"p","generation":1,"resourceSliceCount":1},"devices":[{"name":"vf","attributes":{"k8s.cni.cncf.io/deviceID":{"string":"1"},"k8s.cni.cncf.io/resourceName":{"string":"a/b"}}},{"name":"vf","basic":{"attributes":{}}}]}}',
  ],
  words: ["null", "[]", "{}", '"__proto__":', '"generation":-1', '"generation":1e99'],
  run(input) {
    let object: unknown;
    try {
      object = JSON.parse(input.toString("utf8"));
    } catch {
      return;
    }
    const pod = attempt(input, [InputError], () => keptClaimPod(object));
    must(pod?.claims.every(({ claimName }) => claimName !== "") ?? true, "a claim without a name");
    attempt(input, [InputError], () => keptClaim(object));
    const { generation, count, devices } = keptSlice(object, new Set(["vf"]));
    must(generation >= 0 && count >= 0, "a negative count");
    must(
      [...devices.keys()].every((name) => name === "vf"),
      "a device that was not wanted",
    );
  },
};
