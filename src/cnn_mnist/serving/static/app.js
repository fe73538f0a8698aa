// The drawing page: sends the strokes on its canvas while they are drawn, or a photograph, and shows the answer.
"use strict";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const pen = canvas.getContext("2d");
const PAUSE = 120; // ms without a new stroke before the drawing is sent
const LONGEST = 2048; // px; larger photographs are scaled down before sending
const FEW = 12; // signs; if there are more, they are not shown individually
const MIN_SURE = 0.8; // numbers with a lower confidence are shown as unsure
const SMOOTH = 16; // px; points further apart are joined by straight lines, which keeps corners
const ENOUGH = 64; // px; a drawing with longer strokes is sent smaller
const STEP = 8; // px per press of an arrow key
const DRAWING = [canvas.width, canvas.height];

let marks = []; // strokes: {width, points}
let photo = null; // {name, type}; it replaces the strokes, and the canvas takes its size
let stroke = null; // the one being drawn
let pointer = null; // that draws it: a mouse, a pen or one finger
let cursor = null; // the keyboard's pen: {x, y, down}
let chosen = 0; // index of the sign whose probabilities are shown
let signs = [];

// --- drawing ---

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function paint(context, ink, paper) {
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = context.fillStyle = ink;
  context.lineCap = context.lineJoin = "round";
  marks.forEach((mark) => drawStroke(context, mark));
}

function drawStroke(context, { width, points }) {
  context.lineWidth = width;
  context.beginPath();
  const [first, ...rest] = points;
  context.moveTo(first.x, first.y);
  if (!rest.length) context.lineTo(first.x + 0.01, first.y);
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (next && Math.hypot(next.x - point.x, next.y - point.y) < SMOOTH) {
      context.quadraticCurveTo(point.x, point.y, (point.x + next.x) / 2, (point.y + next.y) / 2);
    } else {
      context.lineTo(point.x, point.y);
    }
  });
  context.stroke();
}

function show() {
  if (!photo) paint(pen, colour("--ink"), colour("--sheet"));
  if (cursor) {
    pen.beginPath();
    pen.fillStyle = colour("--accent");
    pen.arc(cursor.x, cursor.y, cursor.down ? 6 : 9, 0, 7);
    if (cursor.down) pen.fill();
    else {
      pen.strokeStyle = pen.fillStyle;
      pen.lineWidth = 3;
      pen.stroke();
    }
  }
  $("sheet").classList.toggle("drawn", !isEmpty() || cursor !== null);
  $("undo").disabled = $("clear").disabled = isEmpty();
}

const isEmpty = () => !photo && !marks.length;

function changed() {
  show();
  if (isEmpty()) forget();
  else send();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * canvas.width) / box.width,
    y: ((event.clientY - box.top) * canvas.height) / box.height,
  };
}

const penWidth = () => Number($("width").value);

function begin(point) {
  stroke = { width: penWidth(), points: [point] };
  marks.push(stroke);
  changed();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || photo || pointer !== null) return;
  pointer = event.pointerId;
  canvas.setPointerCapture(pointer);
  cursor = null;
  begin(place(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!stroke || event.pointerId !== pointer) return; // another finger, or a palm
  const all = event.getCoalescedEvents?.() ?? [];
  stroke.points.push(...(all.length ? all : [event]).map(place));
  changed();
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    if (event.pointerId === pointer) pointer = stroke = null;
  });
}

function undo() {
  if (photo) removePhoto();
  else marks.pop();
  stroke = null;
  if (cursor) cursor.down = false;
  changed();
}

function clear() {
  removePhoto();
  marks = [];
  stroke = cursor = null;
  changed();
}

$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", () => { clear(); canvas.focus(); });

$("width").addEventListener("input", () => {
  $("width").setAttribute("aria-valuetext", `${penWidth()} pixels`);
  const size = (penWidth() * canvas.clientWidth) / canvas.width;
  $("nib").style.width = $("nib").style.height = `${size}px`;
});

// --- keyboard ---

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

canvas.addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (photo || (!arrow && event.key !== " ")) return;
  event.preventDefault();
  cursor ??= { x: canvas.width / 2, y: canvas.height / 4, down: false };
  if (arrow) {
    const step = STEP * (event.shiftKey ? 4 : 1);
    cursor.x = Math.max(0, Math.min(canvas.width, cursor.x + step * arrow[0]));
    cursor.y = Math.max(0, Math.min(canvas.height, cursor.y + step * arrow[1]));
    if (cursor.down) stroke.points.push({ x: cursor.x, y: cursor.y });
    if (cursor.down) changed();
    else show();
    return;
  }
  if (event.repeat) return;
  cursor.down = !cursor.down;
  if (cursor.down) begin({ x: cursor.x, y: cursor.y });
  else {
    stroke = null;
    show();
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input[type=password], input[type=text]");
  if (typing) return;
  if (event.key === "Escape") clear();
  if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    undo();
  }
});

// --- photographs: opened, taken, dropped, pasted ---

async function take(file) {
  if (!file) return;
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    showPhoto(picture, file);
    forget();
    tell("Reading …");
    changed();
  } catch {
    forget();
    tell("This file cannot be read as a picture; choose a PNG or JPEG", "none");
  }
}

function showPhoto(picture, { name, type }) {
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  resize(...[picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale))));
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  photo = { name, type: type === "image/jpeg" ? type : "image/png" };
  stroke = cursor = null;
  updateCanvas();
}

function removePhoto() {
  if (!photo) return;
  forget();
  resize(...DRAWING);
  photo = null;
  updateCanvas();
}

function resize(width, height) {
  [canvas.width, canvas.height] = [width, height];
}

function updateCanvas() {
  document.body.classList.toggle("photo", photo !== null);
  canvas.tabIndex = photo ? -1 : 0;
  canvas.setAttribute("aria-label", photo ? "Photograph" : "Drawing area");
}

document.addEventListener("paste", (event) => {
  take([...event.clipboardData.files].find((file) => file.type.startsWith("image/")));
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("sheet").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("sheet").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("sheet").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
for (const input of [$("file"), $("camera")]) {
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = "";
  });
}

// --- requests ---

let timer = 0;
let asking = false; // one request at a time; strokes drawn meanwhile go into the next
let again = false;

function send(pause = PAUSE) {
  document.body.classList.add("waiting");
  clearTimeout(timer);
  timer = setTimeout(ask, pause);
}

// A photograph is sent as shown; strokes are sent in black on white. Large digits are sent smaller:
// they are read equally well, in less time.
function snapshot() {
  if (photo) return encoded(canvas, photo.type);
  const copy = document.createElement("canvas");
  const scale = Math.min(1, ENOUGH / strokeLength());
  [copy.width, copy.height] = DRAWING.map((side) => Math.round(side * scale));
  const context = copy.getContext("2d", { alpha: false });
  context.scale(scale, scale);
  paint(context, "#000", "#fff");
  return encoded(copy, "image/png");
}

// The median of the strokes' longer sides.
function strokeLength() {
  const range = (values) => Math.max(...values) - Math.min(...values);
  const sides = marks.map(({ points }) => Math.max(...["x", "y"].map((axis) => range(points.map((p) => p[axis])))));
  return sides.sort((one, other) => one - other)[sides.length >> 1];
}

const encoded = (picture, type) => new Promise((done) => picture.toBlob(done, type));

function post(path, body, type) {
  const headers = { "content-type": type };
  const token = sessionStorage.getItem("token");
  if (token) headers.authorization = `Bearer ${token}`;
  return fetch(path, { method: "POST", headers, body });
}

async function ask() {
  if (asking) { again = true; return; }
  if (isEmpty()) return;
  asking = true;
  const asked = photo;
  let pause = PAUSE;
  try {
    const body = await snapshot();
    const response = await post("v1/predict?detail=true", body, body.type);
    const answer = await response.json();
    $("key").hidden = response.status !== 401;
    if (response.status === 503) {
      again = true;
      pause = 1000 * Number(response.headers.get("retry-after"));
    } else if (isEmpty() || photo !== asked) return; // the picture has been replaced since
    else if (response.ok) { render(answer); offer(answer, body); }
    else { forget(); tell(answer.error, "none"); }
  } catch {
    tell("The server is not responding", "none");
  } finally {
    asking = false;
    if (again) { again = false; send(pause); }
    else document.body.classList.remove("waiting");
  }
}

$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  ask();
});

// --- the answer ---

let spoken = "";

function tell(text, kind = "", aloud = text) {
  $("reason").textContent = text;
  $("reason").className = `reason ${kind}`;
  if (aloud !== spoken) $("status").textContent = spoken = aloud;
}

function forget() {
  $("turned").textContent = "";
  showSigns("", []);
  showPage([]);
  withdraw();
  tell("");
}

function render(answer) {
  const written = answer.lines.map((line) => line.text).join(" "); // including commas and other signs
  const found = answer.digits.concat(answer.rejected.map((sign) => ({ ...sign, rejected: true })));
  const isNumber = answer.lines.flatMap((line) => line.numbers).length === 1;
  const isPage = photo && !isNumber && (answer.lines.length > 1 || found.length > FEW);
  showSigns(isPage ? "" : written, found.length > FEW ? [] : found);
  showPage(photo ? turnUpright(answer) : []);
  if (!answer.ok) tell(photo ? sentence(answer.reason) : refusal(found), "none");
  else if (isPage) tell(summary(answer.lines));
  else {
    const least = Math.min(...answer.digits.map((digit) => digit.confidence));
    const digits = [...answer.text].join(" ");
    tell(`Confidence ${percent(least)}`, "", `${least < MIN_SURE ? "Perhaps" : "It reads"} ${digits}`);
  }
}

const refusal = (found) => (found.length ? "Not a digit" : "Nothing to read yet");
const sentence = (reason) => reason[0].toUpperCase() + reason.slice(1);

function showSigns(written, found) {
  $("answer").textContent = written;
  $("answer").classList.toggle("long", written.length > 5);
  signs = found;
  chosen = Math.max(0, Math.min(chosen, signs.length - 1));
  $("signs").replaceChildren(...(signs.length > 1 ? signs.map(button) : []));
  detail();
}

function button(sign, index) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = sign.rejected ? "✕" : sign.digit;
  element.setAttribute("aria-label", sign.rejected ? `Sign ${index + 1}, not a digit` : `Digit ${index + 1}: ${sign.digit}`);
  element.setAttribute("aria-pressed", String(index === chosen));
  element.addEventListener("click", () => {
    chosen = index;
    [...$("signs").children].forEach((other, i) => other.setAttribute("aria-pressed", String(i === chosen)));
    detail();
    aim(sign, sign.rejected ? "" : String(sign.digit), `Sign ${index + 1} is`);
  });
  return element;
}

function detail() {
  const sign = signs[chosen];
  $("seen").hidden = !sign;
  if (!sign) return;
  const pixels = Uint8Array.from(atob(sign.image), (char) => char.charCodeAt(0));
  const image = new ImageData(28, 28);
  pixels.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  $("network").getContext("2d").putImageData(image, 0, 0);
  $("bars-title").textContent = sign.rejected ? "Not a digit; most similar to" : "Probability of each digit";
  const rows = $("bars").children;
  sign.probs.forEach((prob, digit) => {
    rows[digit].className = digit === sign.digit && !sign.rejected ? "best" : "";
    rows[digit].querySelector("progress").value = prob;
    rows[digit].lastChild.textContent = percent(prob);
  });
}

const percent = (prob) => (prob > 0.999 ? "> 99.9%" : `${(100 * prob).toFixed(1)}%`);

for (let digit = 0; digit < 10; digit++) {
  const row = $("bars").insertRow();
  const head = row.appendChild(document.createElement("th"));
  head.scope = "row";
  head.textContent = digit;
  const bar = row.insertCell().appendChild(document.createElement("progress"));
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Probability of ${digit}`);
  row.insertCell();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
$("width").dispatchEvent(new Event("input"));
show();
