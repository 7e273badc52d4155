/** The page of `multusctl bench` in a real browser: of a node with pretended VFs, and with names that attack it; readable in light and in dark, on a wide and on a narrow window. */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { htmlReport } from "../../src/ctl/bench/html-report.ts";
import { Browser, type OpenPage } from "../support/browser.ts";
import { RunningMultusctl } from "../support/multusctl.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins } from "../support/test-node.ts";
import { reportOf, usualSeries } from "../unit/ctl/bench/report-of.ts";

/** A directory for screenshots, for whoever wants to look at them; none are made without it. */
const screenshots = process.env.MULTUS_SCREENSHOTS;

let scratch: ScratchDirectory;
let browser: Browser;
const pages = new Map<string, string>();

/** An attack that the author of a network, a peer or a plugin may try. */
const attack = `"><img src=x onerror=alert(1)></svg></style><script>alert(1)</script>'${"w".repeat(300)}`;

beforeAll(async () => {
  scratch = new ScratchDirectory("page");
  browser = await Browser.start();
  const path = join(scratch.path, "attack.html");
  const series = usualSeries(["cluster", attack, "default/vf"], attack.slice(0, 60));
  const further = { state: "failed", reason: attack, left: [attack] } as const;
  writeFileSync(path, htmlReport(reportOf(series, further)));
  pages.set("attack", path);

  const temporary = join(scratch.path, "tmp");
  mkdirSync(temporary);
  const plugin = scratch.write(
    "bin/sriov",
    `#!/bin/sh
cat > /dev/null
sleep 0.01
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","interfaces":[{"name":"net1","pciID":"0000:03:02.0"}]}'
exit 0
`,
  );
  chmodSync(plugin, 0o755);
  const networks = ["vf-fast", "vf-storage"].map((name) => {
    const config = JSON.stringify({ cniVersion: "1.0.0", name, type: "sriov" });
    return scratch.write(
      `${name}.json`,
      JSON.stringify({
        apiVersion: "k8s.cni.cncf.io/v1",
        kind: "NetworkAttachmentDefinition",
        metadata: { name },
        spec: { config },
      }),
    );
  });
  const measured = join(scratch.path, "measured.html");
  const running = new RunningMultusctl(
    [
      ...["bench", "--nad", ...networks, "--devices", "vf-fast=a,b,c", "--devices", "vf-storage=d,e,f"],
      ...["--pods", "1,3", "--rounds", "6", "--without-multus", "--report", measured],
      ...["--bin-dir", join(scratch.path, "bin"), debianPlugins],
    ],
    { temporary },
  );
  const { exitCode, stderr } = await running.end();
  expect(exitCode, stderr).toBe(0);
  pages.set("measured", measured);
});

afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  scratch?.[Symbol.dispose]();
});

/** In the page: for every element with text of its own the contrast with what is behind it (WCAG 2, relative luminance). */
const contrasts = `(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = parts(colour).map((value) => value / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.tagName !== "title" && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .map((element) => {
      const style = getComputedStyle(element);
      const [one, other] = [luminance(element.closest("svg") ? style.fill : style.color), luminance(behind(element))].sort((a, b) => b - a);
      return { text: element.textContent.slice(0, 40), contrast: (one + 0.05) / (other + 0.05) };
    });
})()`;

/** In the page: lines and areas of plots whose colour is hardly told from what is behind them. */
const paleMarks = `(() => {
  const back = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  const distance = (colour) => Math.max(...colour.match(/[\\d.]+/g).map(Number).slice(0, 3).map((value, index) => Math.abs(value - back[index])));
  return [...document.querySelectorAll("svg path.line, svg rect, svg circle")]
    .map((element) => element.matches(".line") ? getComputedStyle(element).stroke : getComputedStyle(element).fill)
    .filter((colour) => colour === "none" || distance(colour) < 60);
})()`;

/** In the page: texts of plots that leave their plot. */
const textsOutside = `[...document.querySelectorAll("svg text")].filter((text) => {
  const box = text.getBBox();
  const view = text.ownerSVGElement.viewBox.baseVal;
  return box.x < 0 || box.y < 0 || box.x + box.width > view.width || box.y + box.height > view.height;
}).map((text) => text.textContent)`;

/** In the page: cells that are too narrow for a word, and texts of plots that are too small to be read. */
const cramped = `[
  ...[...document.querySelectorAll("td, th")].filter((cell) => cell.getBoundingClientRect().width < 38),
  ...[...document.querySelectorAll("svg text")].filter((text) => text.getBoundingClientRect().height < 10),
].map((element) => element.textContent)`;

test("the browser complains of scripts, of errors and of what is loaded, where there is some", async () => {
  const path = scratch.write(
    "control.html",
    "<!doctype html><title>t</title><script>console.log(1); undefined.x</script><img src=none.png><p style='color:#eee'>pale</p>",
  );
  const url = pathToFileURL(path).href;
  const page = await browser.open(url, { scheme: "light", width: 1_000 });
  expect(page.complaints.map((text) => text.split(":")[0])).toEqual(
    expect.arrayContaining(["Runtime.consoleAPICalled", "Runtime.exceptionThrown"]),
  );
  expect(page.requests).toEqual([url, url.replace("control.html", "none.png")]);
  const [pale] = await page.evaluate<{ contrast: number }[]>(contrasts);
  expect(pale?.contrast).toBeLessThan(1.5);
});

describe.each(["measured", "attack"])("the page %s", (name) => {
  describe.each(["light", "dark"] as const)("in %s", (scheme) => {
    test.each([1_000, 420])("on a window of %i pixels", async (width) => {
      const url = pathToFileURL(pages.get(name) ?? "").href;
      const page: OpenPage = await browser.open(url, { scheme, width });
      if (screenshots !== undefined) {
        writeFileSync(join(screenshots, `${name}-${scheme}-${width}.png`), await page.screenshot());
      }
      // Nothing ran, nothing failed, nothing was loaded but the page.
      expect(page.complaints).toEqual([]);
      expect(page.requests).toEqual([url]);
      expect(await page.evaluate("document.querySelectorAll('script, img, link').length")).toBe(0);
      expect(await page.evaluate("document.querySelectorAll('svg').length")).toBe(6);

      const back = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(back).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(20, 24, 30)");
      const texts = await page.evaluate<{ text: string; contrast: number }[]>(contrasts);
      expect(texts.length).toBeGreaterThan(50);
      expect(texts.filter(({ contrast }) => !(contrast >= 4.5))).toEqual([]);
      expect(await page.evaluate(paleMarks)).toEqual([]);
      expect(await page.evaluate(textsOutside)).toEqual([]);
      expect(await page.evaluate(cramped)).toEqual([]);
      // Wide tables scroll by themselves; the page does not.
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    });
  });
});
