/** Advice for a file of the project that this user may not write. */

/** @param {{ path: string }} error EACCES @returns {string} whose the file is most likely, and how to get on */
export function describeUnwritable({ path }) {
  return `${path} can't be written: it is from a run as root. As root again, or: sudo chown -R $USER build node_modules`;
}
