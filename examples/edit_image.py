"""Edit a picture: the prompt says what should change; everything else must stay.

python examples/edit_image.py [picture]
"""

from __future__ import annotations

import sys

from PIL import Image

from rr_refine import refine

if __name__ == "__main__":
    picture = sys.argv[1] if len(sys.argv) > 1 else Image.new("RGB", (256, 192), "skyblue")
    # Every round starts from your picture, never from the last output.
    run = refine("add a red balloon in the upper left", image=picture, keep=["red balloon"])
    assert run.best is not None
    print(f"image faithfulness: {run.best.scores and run.best.scores['image_faithfulness']}")
    print(run.result_path)
