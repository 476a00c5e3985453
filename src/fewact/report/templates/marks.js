document.querySelector(".save").addEventListener("click", ({ currentTarget: link }) => {
  const events = [...document.querySelectorAll("[data-event]")].map((segment) => {
    const mark = segment.querySelector(":checked")?.value ?? "?";
    return { ...JSON.parse(segment.dataset.event), mark };
  });
  link.href = URL.createObjectURL(new Blob([JSON.stringify({ events }, null, 1)], { type: "application/json" }));
});
