"""RefCOCO and its family, read in every layout they are kept in; `grounding.data.opening` knows their names.

refcoco, grefcoco, ref_l4              one file a data set: which layout lies below a folder
    -> toolbox, mdetr, rows            one file a format
        -> unpickling, segmentations   pickles as data; COCO's polygons and run lengths as masks
splits, picture_places                 published counts; folders of pictures
"""
