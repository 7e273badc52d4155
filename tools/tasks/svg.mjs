/** The common parts of the drawn pictures of the documentation: colours for light and dark, the tip of an arrow, escaped texts. */

/** @param {string} text of a node @returns {string} */
export const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** The marker of an arrow's end. */
export const tip = `<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>`;

/**
 * Texts and arrows as every picture has them.
 * @param {string} light rules that this picture adds
 * @param {string} dark its rules where the reader prefers dark colours
 * @returns {string} the style element
 */
export function pictureStyle(light, dark) {
  return `<style>text{font:12px ui-monospace,monospace;fill:#1f2328}.name{font-weight:bold}.back{fill:#fff}.arrow{fill:none;stroke:#57606a;stroke-width:1.3}.tip{fill:#57606a}${light}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.arrow{stroke:#8b949e}.tip{fill:#8b949e}${dark}}</style>`;
}
