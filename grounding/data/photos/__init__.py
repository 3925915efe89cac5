"""Photographs with weak labels: boxes that a detector gave, cleaned, and questions whose answers they make certain.

labels -> cleaning           a detector's boxes; those that may be answers, and those that may be there
shards                       the pictures, by name, out of tar files
color_names -> colors        the colour names of a box's pixels, and which it has not
things                       PhotoThing and PhotoScene, what questions are made of
names, people, wording       what things are called
facts, ordering, clothes, roles -> phrases, relations, long, groups, absence -> questions
augment -> picture           flips, crops and light; a picture with its questions
"""
