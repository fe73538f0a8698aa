// The result of a photographed page: boxes drawn over it, and a table to copy or download.
"use strict";

let rows = []; // the table's texts; all rows have the same length

function showPage(lines) {
  const columns = Math.max(0, ...lines.map((line) => line.numbers.length));
  rows = lines.map(({ numbers }) => Array.from({ length: columns }, (_, i) => numbers[i]?.text ?? ""));
  $("boxes").setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
  $("boxes").replaceChildren(...lines.flatMap(boxesOf));
  $("page").hidden = lines.length * columns < 2;
  $("columns").replaceChildren(element("td"), ...Array.from({ length: columns }, columnHead));
  $("rows").replaceChildren(...lines.map(row));
  $("unsure").hidden = !lines.some((line) => line.numbers.some(isUnsure));
  $("copied").textContent = "";
  $("csv").href = `data:text/csv;charset=utf-8,${encodeURIComponent(csv())}`;
  $("csv").download = `${photo?.name.replace(/\.\w+$/, "") || "page"}.csv`;
}

// Turns a page that was rotated for reading upright, and its lines with it; only quarter turns are
// applied, so a tilt remains.
function turnUpright({ lines, turned }) {
  if (turned) $("turned").textContent = `The page was turned by ${turned}° clockwise.`;
  for (let left = Math.round(turned / 90) % 4; left > 0; left -= 1) lines = turnRight(lines);
  return lines;
}

function turnRight(lines) {
  const { width, height } = canvas;
  const copy = element("canvas", { width, height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  resize(height, width);
  pen.translate(height, 0);
  pen.rotate(Math.PI / 2);
  pen.drawImage(copy, 0, 0);
  pen.resetTransform();
  const turned = ([x, y, across, down]) => [height - y - down, x, down, across];
  return lines.map(({ numbers }) => (
    { numbers: numbers.map((number) => ({ at: number.box, ...number, box: turned(number.box) })) }
  ));
}

const isUnsure = (number) => number.confidence < MIN_SURE;
const kind = (number) => (!number.text ? "empty" : isUnsure(number) ? "unsure" : "sure");

function summary(lines) {
  const numbers = lines.flatMap((line) => line.numbers);
  const written = numbers.filter((number) => number.text);
  const parts = [count(written.length, "number"), count(numbers.length - written.length, "empty cell")];
  return `${parts.filter(Boolean).join(" and ")} in ${count(lines.length, "line")}`;
}

const count = (n, noun) => (n ? `${n} ${noun}${n > 1 ? "s" : ""}` : "");

// --- boxes ---

function boxesOf({ numbers }) {
  const isCells = numbers.slice(1).some((number, i) => areBeside(numbers[i].box, number.box));
  const line = numbers.length > 1 && !isCells ? [rectangle(around(numbers), "line")] : [];
  return line.concat(numbers.flatMap((number) => [
    number.shape = rectangle(number.box, kind(number)),
    ...(number.text ? [label(number, isCells)] : []),
  ]));
}

const areBeside = ([x, , width, height], [next]) => next - x - width < height / 3;

function around(numbers) {
  const edge = (pick, of) => pick(...numbers.map(({ box }) => of(box)));
  const [x, y] = [edge(Math.min, (box) => box[0]), edge(Math.min, (box) => box[1])];
  const right = edge(Math.max, (box) => box[0] + box[2]);
  const bottom = edge(Math.max, (box) => box[1] + box[3]);
  const margin = (bottom - y) / 8;
  return [x - margin, y - margin, right - x + 2 * margin, bottom - y + 2 * margin];
}

function rectangle([x, y, width, height], name) {
  return shape("rect", { x, y, width, height, rx: height / 12, class: name });
}

// In a cell, at the upper right, where few people write; elsewhere above the number.
function label(number, isCell) {
  const [x, y, width, height] = number.box;
  const size = Math.max(height * (isCell ? 0.25 : 0.45), canvas.width / 70);
  const place = isCell
    ? { x: x + width - size / 4, y: y + size, "text-anchor": "end" }
    : { x, y: Math.max(size, y - size / 4) };
  const made = shape("text", { ...place, "font-size": size, class: kind(number) });
  made.textContent = number.text;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS($("boxes").namespaceURI, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

// --- the table ---

function row(line, index) {
  const made = element("tr");
  const head = element("th", { scope: "row", textContent: index + 1 });
  made.append(head, ...rows[index].map((text, i) => cell(text, line.numbers[i])));
  return made;
}

function cell(text, number) {
  const made = element("td", { className: number ? kind(number) : "empty" });
  made.append(number && isCollecting ? choice(text, number) : text);
  if (made.className === "unsure") made.ariaLabel = `${text}, confidence ${percent(number.confidence)}`;
  return made;
}

const columnHead = (_, index) => element("th", { scope: "col", textContent: index + 1 });
const element = (name, values = {}) => Object.assign(document.createElement(name), values);

const csv = () => rows.map((row) => row.map(quoted).join(",") + "\r\n").join("");
const quoted = (text) => (text.includes(",") ? `"${text}"` : text);

async function copy() {
  const text = rows.map((row) => row.join("\t")).join("\n");
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  $("copied").textContent = done || copySelected(text) ? "Copied" : "Select the table to copy it";
}

// Browsers allow the clipboard API only on https and localhost.
function copySelected(text) {
  const area = element("textarea", { value: text, className: "hidden" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  $("copy").focus();
  return done;
}

$("copy").addEventListener("click", copy);
