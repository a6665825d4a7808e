// Plays a video file or a camera, and hands over its frames as fast as they are used.

/** A player; rejects with an Error of one line if the browser cannot play it. source: file or stream, and name. */
export async function playing({ file, stream, name }) {
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  if (stream) video.srcObject = stream;
  else video.src = URL.createObjectURL(file);
  try {
    await video.play();
    if (!video.videoWidth) throw new Error("no picture");
  } catch {
    free();
    throw new Error(`${name}: not a video that this browser can play; convert it to MP4 (H.264) or WebM`);
  }
  let isStopped = false;

  function free() {
    video.pause();
    stream?.getTracks().forEach((track) => track.stop());
    if (file) URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
    video.srcObject = null;
  }

  return {
    /** Calls use(frame, time) for the newest frame, again and again, until the end; frame: a canvas, used again. */
    async run(use) {
      const frame = document.createElement("canvas"), context = frame.getContext("2d");
      let last = -1;
      while (!isStopped) {
        if (video.currentTime === last) {
          if (video.ended || video.error) break;
          await new Promise((resolve) => setTimeout(resolve, 5));
          continue;
        }
        last = video.currentTime;
        if (frame.width !== video.videoWidth) frame.width = video.videoWidth;
        if (frame.height !== video.videoHeight) frame.height = video.videoHeight;
        context.drawImage(video, 0, 0);
        await use(frame, last);
      }
      if (video.error) throw new Error(`${name}: the rest cannot be played; it is damaged`);
    },
    /** Pauses or goes on; returns whether it plays. */
    toggle() {
      if (video.paused) video.play();
      else video.pause();
      return !video.paused;
    },
    stop() {
      isStopped = true;
      free();
    },
  };
}
