/**
 * Sections of CHANGELOG.md: one for each version, under a heading `## 1.2.3`; a date may follow it, and the version may be in brackets. `## [Unreleased]` has what no
 * version has yet.
 */

/**
 * @param {string} text of CHANGELOG.md @param {string} version or "Unreleased"
 * @returns {string | undefined} the section without its heading; undefined where there is none, or nothing in it
 */
export function changelogSection(text, version) {
  const sections = text.split(/^(?=## )/m);
  const found = sections.find((section) => {
    const [, named] = /^## \[?v?([^\]\s]+)/.exec(section) ?? [];
    return named === version;
  });
  const [, ...lines] = found?.split("\n") ?? [];
  const body = lines.join("\n").trim();
  return body === "" ? undefined : body;
}
