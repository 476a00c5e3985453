// @ts-check
// The dialog with the camera's picture.

import { text } from "./texts.js";
import { h, setText } from "./view.js";

/**
 * Open a dialog by `open` with the camera's picture: `over` is on the picture, `below` are under it. The camera
 * is free again when the dialog is closed. Returns null where there is no camera; the dialog says why.
 */
export async function openCamera(open, title, hint, over, ...below) {
  const video = h("video", { class: "mirror", muted: true, autoplay: true, playsInline: true });
  const status = h("p", { class: "hint", role: "status" }, hint);
  const dialog = open(title, h("div", { class: "camera" }, video, over), status, ...below);
  let stream;
  try {
    if (!navigator.mediaDevices) throw new Error(text("camera_elsewhere"));
    stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } }, audio: false,
    });
  } catch (error) {
    setText(status, text("no_camera", { reason: error.message || error.name }));
    return null;
  }
  const end = () => stream.getTracks().forEach((track) => track.stop());
  const lost = () => setText(status, text("camera_lost"));
  stream.getTracks().forEach((track) => track.addEventListener("ended", lost));
  dialog.addEventListener("close", end);
  if (!dialog.open) {
    end();
    return null;
  }
  video.srcObject = stream;
  await video.play().catch(() => {});
  return { dialog, status, stream, video };
}
