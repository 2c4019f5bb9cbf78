// Sorting of tables by their headings, and pointing: a candidate is marked everywhere it stands.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    if (head.dataset.sort === undefined) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = head.dataset.sort === "number" ? x - y : x.localeCompare(y);
        return falling ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
const marked = (id) => document.querySelectorAll(`[data-id="${CSS.escape(id)}"]`);
const pointed = (event) => event.target.closest?.("[data-id]");
document.addEventListener("mouseover", (event) => {
  const element = pointed(event);
  if (element) marked(element.dataset.id).forEach((other) => other.classList.add("hot"));
});
document.addEventListener("mouseout", (event) => {
  const element = pointed(event);
  if (element) marked(element.dataset.id).forEach((other) => other.classList.remove("hot"));
});
