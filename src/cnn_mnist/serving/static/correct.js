// Corrections: of the whole drawing, of one sign, or of one number on a page.
"use strict";

const isCollecting = document.body.classList.contains("collecting");
let answered = null; // the picture of the last answer, as it was sent
let target = null; // {text, box}: what was read, and where

// Called after an answer. One of several signs is selected at once; on a page the user selects a number.
function offer(answer, picture) {
  answered = picture;
  const numbers = answer.lines.flatMap((line) => line.numbers).filter((number) => number.text);
  const shown = $("signs").children;
  if (numbers.length === 1 && !answer.rejected.length) aim(numbers[0], numbers[0].text);
  else if (shown.length) shown[chosen].click();
  else if (signs.length || !numbers.length) aim(signs[0] ?? {});
  else aim(null, "", "Select a number in the table.");
}

function withdraw() {
  answered = null;
  aim(null);
}

function aim(place, text = "", ask = "It is") {
  document.querySelectorAll(".chosen").forEach((shape) => shape.classList.remove("chosen"));
  $("rows").querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", "false"));
  target = place && { text, box: place.at ?? place.box };
  $("correct").hidden = !isCollecting || !answered || (!place && $("page").hidden);
  $("ask").textContent = `Not right? ${ask}`;
  $("right").value = text;
  $("stored").textContent = "";
  able(place !== null);
}

function able(can) {
  for (const name of ["right", "confirm", "none"]) $(name).disabled = !can;
  const isSame = target?.text && $("right").value === target.text;
  $("confirm").textContent = isSame ? "Confirm" : "Correct";
}

// A button that selects a number in the table.
function choice(text, number) {
  const made = element("button", { type: "button", textContent: text });
  made.setAttribute("aria-pressed", "false");
  if (!text) made.ariaLabel = "empty";
  made.addEventListener("click", () => {
    aim(number, text, "The selected number is");
    made.setAttribute("aria-pressed", "true");
    number.shape.classList.add("chosen");
    $("right").focus();
  });
  return made;
}

const encodedText = (blob) => new Promise((done) => {
  const reader = new FileReader();
  reader.addEventListener("load", () => done(reader.result));
  reader.readAsDataURL(blob);
});

async function store(label) {
  const { box } = target;
  able(false);
  try {
    const image = await encodedText(answered);
    const body = JSON.stringify({ image, corrections: [{ label, box }] });
    const response = await post("v1/corrections", body, "application/json");
    const answer = await response.json();
    if (!response.ok) able(true);
    $("stored").textContent = response.ok ? `Stored as ${label === "none" ? "not a digit" : label}.` : sentence(answer.error);
  } catch {
    able(true);
    $("stored").textContent = "The server is not responding";
  }
}

$("right").addEventListener("focus", () => $("right").select());
$("right").addEventListener("input", () => able(true));
$("none").addEventListener("click", () => store("none"));
$("correct").addEventListener("submit", (event) => {
  event.preventDefault();
  store($("right").value.trim());
});
