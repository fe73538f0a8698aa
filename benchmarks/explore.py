"""How fast the page responds: each frame adds a little more of a digit, as drawn by hand.

    python benchmarks/explore.py [PAGE_FOLDER]

Requires playwright, and Chromium, Chrome or the headless shell; CHROMIUM names another browser.
`script_ms` is everything the page computes and paints for a frame: the 28×28 image, the network,
two gradients, the maps in view; `frame_ms` is the time from one frame to the next meanwhile; 16.7
is the screen's own rate. The last line is JSON.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

PAGE = Path(__file__).parent.parent / "src" / "cnn_mnist" / "explore"
BROWSERS = "chromium", "google-chrome", "chromium-headless-shell"
ROUNDS = 5  # the best counts: other programs only make it slower

MEASURE = """async () => {
  const nextFrame = () => new Promise((done) => requestAnimationFrame(done));
  const script = [], frames = [], forward = [];
  let before = await nextFrame();
  for (let turn = 0; turn < 4; turn++) {
    pad.write([]);
    for (let step = 0; step < 40; step++) {
      const angle = 0.2 * step;
      const point = [140 + (30 + step) * Math.cos(angle), 140 + (40 + step) * Math.sin(angle)];
      const began = performance.now();
      if (step === 0) pad.start(point); else pad.extend(point);
      state.image = frameOf(pad.coverage(), PAD, PAD);
      render();
      script.push(performance.now() - began);
      const now = await nextFrame();
      frames.push(now - before);
      before = now;
    }
  }
  for (let turn = 0; turn < 100; turn++) {
    const began = performance.now();
    for (let run = 0; run < 10; run++) state.network.run(state.image);
    forward.push((performance.now() - began) / 10);
  }
  const at = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * values.length)];
  return {
    forward_ms: at(forward, 0.5),
    script_ms: at(script, 0.5), script_ms_95: at(script, 0.95),
    frame_ms: at(frames, 0.5), frame_ms_95: at(frames, 0.95),
  };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=PAGE, help="the page's folder")
    folder = parser.parse_args().folder.resolve()
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        parser.error(f"no browser found: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(f"file://{folder}/index.html")
        page.wait_for_selector("body[data-ready]")
        rounds = [page.evaluate(MEASURE) for _ in range(ROUNDS)]
        version = browser.version
        browser.close()
    best = min(rounds, key=lambda figures: figures["script_ms"])
    size = sum(path.stat().st_size for path in folder.iterdir())
    figures = {name: round(value, 2) for name, value in best.items()}
    print(json.dumps({"chromium": version, "page_bytes": size, "rounds": ROUNDS} | figures))


if __name__ == "__main__":
    main()
