// Milliseconds from frame to frame while the notebook is scrolled from its top to its end, in order of size.
async () => {
    const box = document.querySelector(".jp-WindowedPanel-outer"), times = [];
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    box.scrollTop = 0;
    let last = await frame();
    while (box.scrollTop + box.clientHeight < box.scrollHeight - 1) {
        box.scrollTop += 40;
        const now = await frame();
        times.push(now - last);
        last = now;
    }
    return times.sort((a, b) => a - b);
}
