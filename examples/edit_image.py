"""Edit a picture: the prompt says what should change; everything else must stay.

python examples/edit_image.py [picture]
"""

from __future__ import annotations

import sys

from PIL import Image, ImageDraw

from rr_refine import refine


def a_picture() -> Image.Image:
    """Something that the small models in the box know: a red square and a blue circle."""
    picture = Image.new("RGB", (128, 128), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((8, 50, 36, 78), fill=(220, 40, 40))
    pen.ellipse((92, 50, 120, 78), fill=(40, 80, 220))
    return picture


if __name__ == "__main__":
    picture = sys.argv[1] if len(sys.argv) > 1 else a_picture()
    # Every round starts from your picture, never from the last output.
    run = refine("make the red square green", image=picture, keep=["green"])
    assert run.best is not None
    print(f"image faithfulness: {run.best.scores and run.best.scores['image_faithfulness']}")
    print(run.result_path)
