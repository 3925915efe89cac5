// The seven modes: their names, icons, hints and examples.

export const MODES = [
  { id: "find", name: "Find", task: "locate", go: "Find", holder: "Say what to find, in your own words", icon: "M8.5 14a5.5 5.5 0 1 1 0-11 5.5 5.5 0 0 1 0 11zM12.5 12.5 17 17" },
  { id: "detect", name: "Detect", task: "detect", go: "Detect", holder: "Several names, with commas: star, heart", icon: "M3 3h6v6H3zM11 11h6v6h-6zM13 3h4v4h-4zM3 13h4v4H3z" },
  { id: "click", name: "Click", task: "describe", hint: "Click a thing in the picture", keys: "arrows and Enter on the keyboard", icon: "m5 3 11 6-5 1.6L8.6 16z" },
  { id: "drag", name: "Drag", task: "describe", hint: "Drag a box around something", keys: "arrows, and Enter at two corners", icon: "M3 6V3h3M14 3h3v3M17 14v3h-3M6 17H3v-3M8 8h4v4H8z" },
  { id: "caption", name: "Caption", task: "caption", go: "Caption", hint: "The picture in a sentence", keys: "its words light their boxes", icon: "M3 5h14M3 10h14M3 15h8" },
  { id: "count", name: "Count", task: "count", go: "Count", holder: "What to count: red things", icon: "M4 4v12M8 4v12M12 4v12M2 14 16 6" },
  { id: "segment", name: "Segment", task: "segment", go: "Segment", holder: "What to cut out along its outline", icon: "M10 3c5 0 7 3 6 6s-1 7-6 8-7-3-6-7 1-7 6-7z" },
];

/** Phrases that make sense for each example picture, by its name. */
export const TRIES = {
  shapes: { find: ["the red star", "the star left of the mushroom", "all stars", "a blue whale"], detect: ["star, heart", "house, fish, mushroom"], count: ["red things"], segment: ["the purple pentagon"] },
  cars: { find: ["the purple cloud", "the smallest car", "a yellow moon"], detect: ["car, flower", "cloud, car, flower"], count: ["flowers", "clouds"], segment: ["the purple cloud", "the large red car"] },
  mushrooms: { find: ["the pink heart", "the yellow fish", "all of the mushrooms", "a blue boat"], detect: ["mushroom", "umbrella, heart"], count: ["fish"], segment: ["the orange umbrella"] },
  cat: { find: ["the cat", "the brown cat", "a bus"], detect: ["cat"], count: ["cats"], segment: [] },
};
