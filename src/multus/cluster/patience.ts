/** How long the cluster is waited for where a request can do without it. */

import { ClusterUnavailable } from "./cluster-unavailable.ts";

/** Milliseconds that each question to the cluster may take. */
const patienceMs = 3_000;

/**
 * A cluster that is slow to answer must not keep a pod from ending.
 * @param what names in an error what is asked about
 * @throws {ClusterUnavailable} when `patienceMs` is over; whatever `answer` throws
 */
export async function withinPatience<Answer>(answer: Promise<Answer>, what: string): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new ClusterUnavailable(`no answer about ${what} within ${patienceMs} ms`));
    }, patienceMs);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
