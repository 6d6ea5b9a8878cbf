// Shows openapi.json. Text is set as text, never as HTML.
"use strict";

const element = (name, text) => {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
};
const find = (id) => document.getElementById(id);

const showEndpoints = (paths) => {
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, about] of Object.entries(methods)) {
      const article = document.createElement("article");
      article.append(element("h3", `${method.toUpperCase()} ${path}`), element("p", about.summary));
      if (about.description) article.append(element("p", about.description));
      const list = document.createElement("ul");
      for (const [status, answer] of Object.entries(about.responses)) {
        list.append(element("li", `${status}: ${answer.description}`));
      }
      article.append(list);
      find("endpoints").append(article);
    }
  }
};

const showExamples = (examples) => {
  for (const [name, example] of Object.entries(examples)) {
    const option = element("option", name);
    option.value = JSON.stringify(example.value, null, 2);
    find("example").append(option);
  }
  const fill = () => { find("body").value = find("example").value; };
  find("example").addEventListener("change", fill);
  fill();
};

const predict = async (event) => {
  event.preventDefault();
  const headers = {"Content-Type": "application/json"};
  if (find("key").value) headers["X-API-Key"] = find("key").value;
  try {
    const answer = await fetch("predict", {method: "POST", headers, body: find("body").value});
    find("answer").textContent = `${answer.status}\n${await answer.text()}`;
  } catch (error) {
    find("answer").textContent = `No answer: ${error.message}`;
  }
};

const show = async () => {
  const found = await (await fetch("openapi.json")).json();
  document.title = found.info.title;
  find("title").textContent = `${found.info.title}, version ${found.info.version}`;
  find("description").textContent = found.info.description;
  showExamples(found.paths["/predict"].post.requestBody.content["application/json"].examples);
  showEndpoints(found.paths);
  find("form").addEventListener("submit", predict);
};

show().catch((error) => { find("answer").textContent = `No document: ${error.message}`; });
