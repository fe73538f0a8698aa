// Shows one sign at a time and asks for its label; each label is stored before the next sign is shown.
"use strict";

const $ = (id) => document.getElementById(id);
const KEYS = { n: "n", s: "s", " ": "s", u: "u", Backspace: "u" };
const authorization = `Bearer ${location.hash.slice(1)}`;

let signs = []; // {number, path, answered, confidence}
let at = 0; // index of the sign shown
let labelled = 0; // labels in the folder, including those of earlier sessions
let given = []; // the label of each sign so far; null if it was skipped
let work = Promise.resolve(); // handles key presses one after the other, however fast they are typed
const pictures = new Map(); // index of a sign → promise of its picture's URL

async function call(path, body) {
  const method = body ? "POST" : "GET";
  const response = await fetch(path, { method, headers: { authorization }, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

function picture(place) {
  if (!pictures.has(place) && place < signs.length) {
    pictures.set(place, call(`v1/signs/${signs[place].number}`).then((r) => r.blob()).then(URL.createObjectURL));
  }
  return pictures.get(place);
}

async function show() {
  const sign = signs[at];
  $("count").textContent = `${labelled} labelled, ${signs.length - at} to go`;
  $("progress").value = signs.length ? at / signs.length : 1;
  document.querySelectorAll("[data-key]").forEach((button) => { button.disabled = !sign; });
  document.querySelector("[data-key=u]").disabled = !given.length;
  $("about").textContent = sign ? described(sign) : "";
  if (!sign) {
    const skipped = given.filter((label) => label === null).length;
    $("picture").hidden = true;
    tell(`Done. ${skipped ? `${skipped} skipped; run the same command again to see them. ` : ""}Press Ctrl-C in the terminal to stop the program.`);
    return;
  }
  try {
    $("picture").src = await picture(at);
    $("picture").hidden = false;
    picture(at + 1)?.catch(() => {}); // shown when it is that sign's turn
  } catch (error) {
    $("picture").hidden = true;
    tell(error.message);
  }
}

function described({ path, answered, confidence }) {
  const read = answered ? `read as ${answered}, confidence ${(100 * confidence).toFixed(0)}%` : "not read as a digit";
  return `${path}: ${read}`;
}

const tell = (text) => { $("status").textContent = text; };

async function act(key) {
  try {
    if (key === "u") await undo();
    else if (at < signs.length) await answer(key);
    else return;
    await show();
  } catch (error) {
    tell(error instanceof TypeError ? "The program in the terminal has stopped" : error.message);
  }
}

async function answer(key) {
  const label = key === "s" ? null : key === "n" ? "none" : key;
  if (label !== null) await put(at, label);
  tell(label === null ? "Skipped" : `${label === "none" ? "Not a digit" : label}`);
  given.push(label);
  URL.revokeObjectURL(await picture(at).catch(() => ""));
  pictures.delete(at);
  at += 1;
}

async function undo() {
  if (!given.length) return;
  if (given.at(-1) !== null) await put(at - 1, null);
  given.pop();
  at -= 1;
  tell("Undone");
}

async function put(place, label) {
  const sign = signs[place].number;
  labelled = (await (await call("v1/labels", { sign, label })).json()).labelled;
}

function press(key) {
  work = work.then(() => act(key));
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.matches("button, summary")) return; // activates that element
  const key = /^[0-9]$/.test(event.key) ? event.key : KEYS[event.key];
  if (!key) return;
  event.preventDefault();
  press(key);
});

for (let digit = 1; digit <= 10; digit++) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = made.dataset.key = String(digit % 10);
  $("digits").append(made);
}
document.querySelectorAll("[data-key]").forEach((button) => {
  button.addEventListener("click", () => press(button.dataset.key));
});

work = call("v1/signs").then((response) => response.json()).then((told) => {
  ({ signs, labelled } = told);
  return show();
}).catch((error) => tell(error.message));
