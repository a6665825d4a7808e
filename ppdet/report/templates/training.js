
// A training that runs: load the page again, unless something is being selected, and say if it has become silent.
const state = document.querySelector(".state");
if (state.dataset.running === "1") {
  const minutes = Math.floor((Date.now() - Date.parse(document.querySelector("time").dateTime)) / 60000);
  if (minutes >= 30) document.getElementById("silent").textContent = `No news for ${minutes} minutes: it may have been killed.`;
  setInterval(() => { if (!document.hidden && document.getSelection().isCollapsed) location.reload(); }, 30000);
}
