"""Small data sets of referring expressions on disk, in the layouts of the wild, for the tests of their readers."""

import json
import pickle

IMAGES = [
    {"id": 581857, "file_name": "COCO_train2014_000000581857.jpg", "width": 640, "height": 427},
    {"id": 11, "file_name": "COCO_train2014_000000000011.jpg", "width": 100, "height": 80},
]
ANNOTATIONS = [
    {
        "id": 1719310,
        "image_id": 581857,
        "category_id": 1,
        "bbox": [10.5, 20, 100, 200],
        "area": 9000.0,
        "iscrowd": 0,
        "segmentation": [[10.5, 20, 110.5, 20, 110.5, 220], [1, 2]],
    },
    {
        "id": 2,
        "image_id": 11,
        "category_id": 44,
        "bbox": [0, 0, 50, 40],
        "area": 2000.0,
        "iscrowd": 0,
        "segmentation": {"size": [80, 100], "counts": [0, 40, 7960]},
    },
    {"id": 3, "image_id": 11, "category_id": 1, "bbox": [60, 0, 40, 80], "area": 3200.0, "iscrowd": 1},
]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 44, "name": "bottle"}]


def instances(images=IMAGES, annotations=ANNOTATIONS):
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": CATEGORIES}


def ref(ref_id=0, ann_id=1719310, image_id=581857, split="val", sents=("lady in blue", "the lady"), category_id=1):
    first = ref_id * 10
    return {
        "sent_ids": list(range(first, first + len(sents))),
        "file_name": f"COCO_train2014_{image_id:012d}_{ref_id}.jpg",
        "ann_id": ann_id,
        "ref_id": ref_id,
        "image_id": image_id,
        "split": split,
        "sentences": [
            {"tokens": sent.split(), "raw": sent.capitalize() + ".", "sent_id": number, "sent": sent}
            for number, sent in enumerate(sents, first)
        ],
        "category_id": category_id,
    }


REFS = [
    ref(),
    ref(1, 2, 11, "testA", ("green bottle",), 44),
    ref(2, 3, 11, "train", ("crowd",)),
    ref(3, 2, 11, "val", ("bottle",), 44),
]


def toolbox(root, kind="refcoco", by="unc", refs=REFS, truth=None, protocol=2):
    """`root`/kind/refs(by).p and instances.json; the folder."""
    folder = root / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"refs({by}).p").write_bytes(pickle.dumps(refs, protocol))
    (folder / "instances.json").write_text(json.dumps(truth or instances()))
    return folder


def told(dataset):
    """What was wrong, as a person reads it: kind and place of each problem."""
    return [(problem.kind, problem.where) for problem in dataset.problems]
