// Small things around the picture: theme, messages, camera, paste and drop.

export function theme(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null; try { chosen = localStorage.getItem("grounding-theme"); } catch { /* no storage: as the system says */ }
  const apply = () => { document.documentElement.dataset.theme = chosen || (system.matches ? "dark" : "light"); };
  system.addEventListener("change", apply); apply();
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark"; apply();
    try { localStorage.setItem("grounding-theme", chosen); } catch { /* not kept */ }
  });
}

let hiding = 0;
export function toast(words) {
  const box = document.getElementById("toast"); box.textContent = words; box.classList.add("on");
  clearTimeout(hiding); hiding = setTimeout(() => box.classList.remove("on"), 7000);
}

export async function camera(dialog, give) {
  let stream;
  try { stream = await navigator.mediaDevices.getUserMedia({ video: true }); } catch { toast("There is no camera here, or the browser does not allow it."); return; }
  const video = dialog.querySelector("video"); video.srcObject = stream; await video.play(); dialog.showModal();
  const close = () => { for (const track of stream.getTracks()) track.stop(); dialog.close(); };
  dialog.oncancel = close; dialog.querySelector("[data-do=close]").onclick = close;
  dialog.querySelector("[data-do=take]").onclick = () => {
    const canvas = document.createElement("canvas"); canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0); close(); canvas.toBlob((blob) => blob && give(blob), "image/png");
  };
}

export function watchDrops(give) {
  addEventListener("paste", (event) => { const file = [...(event.clipboardData?.files || [])][0]; if (file) { event.preventDefault(); give(file); } });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    event.preventDefault(); document.body.classList.remove("dropping"); const file = [...event.dataTransfer.files][0];
    if (file) give(file); else toast("Drop a file: pictures are not fetched from addresses.");
  });
}
