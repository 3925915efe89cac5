"""Drawn pictures with known answers, exactly repeatable from a seed.

palette  curves -> things    the colours; the kinds and their outlines
sprites                      cut-outs from a folder, drawn like kinds
scene                        Thing, Scene, SceneOptions; make_scene, render, draw_scene
looks -> layout -> drawing   what things look like, where they stand, and paint (over backgrounds)
facts, relations, wording, phrases, captions -> generate -> write    questions with certain answers, and files
"""
