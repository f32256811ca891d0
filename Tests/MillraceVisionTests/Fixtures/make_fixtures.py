#!/usr/bin/env python3
"""Small odd images, and FNV-1a hashes of what Pillow makes of them and of the photos: of the upright RGB pixels, and of
the 224 x 224 bicubic centre crop; and hashes of the photos cut as torchvision's Resize(256) and CenterCrop(224) do. usage: make_fixtures.py PHOTOS_DIR OUT_DIR"""
import glob, json, os, random, sys
from PIL import Image, ImageOps

photos, out = sys.argv[1:3]
random.seed(7)
base = Image.open(f"{photos}/china.jpg").convert("RGB").resize((53, 37))
alpha = Image.new("L", base.size); alpha.putdata([random.randrange(256) for _ in range(53 * 37)])
rgba = base.copy(); rgba.putalpha(alpha)
save = lambda image, name, **more: image.save(f"{out}/{name}", **more)
save(rgba, "rgba.png"); save(base.convert("L"), "gray.png"); save(base.convert("1"), "bilevel.png"); save(base.quantize(17), "palette.png")
la = base.convert("LA"); la.putalpha(alpha); save(la, "gray-alpha.png")
save(base.quantize(16), "palette-transparent.png", transparency=3)
deep = Image.new("I;16", base.size); deep.putdata([v * 257 for v in base.convert("L").getdata()]); save(deep, "gray16.png")
save(base, "progressive.jpg", progressive=True, quality=85); save(base.convert("L"), "gray.jpg"); save(base.convert("CMYK"), "cmyk.jpg")
save(base, "lossy.webp"); save(base, "lossless.webp", lossless=True); save(rgba, "alpha.webp", lossless=True, exact=True)
for o in range(1, 9):
    exif = Image.Exif(); exif[274] = o; save(base, f"orientation{o}.jpg", exif=exif, quality=95)
exif = Image.Exif(); exif[274] = 6; save(base, "orientation6.png", exif=exif)
save(base.resize((1, 1)), "1x1.png"); save(base.resize((900, 2)), "900x2.png")

def fnv(data):
    h = 0xCBF29CE484222325
    for b in data: h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"

def reference(path):
    im = ImageOps.exif_transpose(Image.open(path))
    if im.mode.startswith("I"): im = im.point(lambda v: v / 256).convert("L") if im.mode != "I;16" else Image.frombytes("L", im.size, im.tobytes()[1::2])
    im = im.convert("RGBA"); im = Image.alpha_composite(Image.new("RGBA", im.size, (255, 255, 255, 255)), im).convert("RGB")
    w, h = im.size; c = min(w, h) * .875
    small = im.resize((224, 224), Image.BICUBIC, box=((w - c) / 2, (h - c) / 2, (w + c) / 2, (h + c) / 2))
    return dict(width=w, height=h, pixels=fnv(im.tobytes()), crop=fnv(small.tobytes()))

files = sorted(f for f in glob.glob(f"{out}/*.*") + glob.glob(f"{photos}/*.*g") if f.rsplit(".")[-1] in ("png", "jpg", "webp") and "cmyk" not in f)
json.dump({os.path.basename(f): reference(f) for f in files}, open(f"{out}/pillow.json", "w"), indent=1)
print(len(files))

def torchvision(path, filter, shorter=256, size=224):
    """Pillow's crop of the place where torchvision resizes, then cuts; the two steps themselves differ from it by one level at most."""
    im = Image.open(path).convert("RGB"); w, h = im.size
    nw, nh = (shorter, int(shorter * h / w)) if w <= h else (int(shorter * w / h), shorter)
    l, t = int(round((nw - size) / 2.0)), int(round((nh - size) / 2.0))
    one = im.resize((size, size), filter, box=(l * w / nw, t * h / nh, (l + size) * w / nw, (t + size) * h / nh))
    two = im.resize((nw, nh), filter).crop((l, t, l + size, t + size))
    assert max(abs(a - b) for a, b in zip(one.tobytes(), two.tobytes())) <= 1, path
    return fnv(one.tobytes())

filters = dict(bicubic=Image.BICUBIC, bilinear=Image.BILINEAR)
json.dump({os.path.basename(f): {n: torchvision(f, i) for n, i in filters.items()} for f in sorted(glob.glob(f"{photos}/*.*g"))},
          open(f"{out}/torchvision.json", "w"), indent=1)
