// Every text that is seen under an element, and every mark, with its contrast to what lies behind it: layers of
// backgrounds from the page's own up, each as opaque as it and all around it are.
([root, marks]) => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [[r, g, b], a / 255];
    };
    const over = ([top, alpha], below, opacity) => below.map((one, place) => one + (top[place] - one) * alpha * opacity);
    const line = (node) => (node ? [...line(node.parentElement), node] : []);
    const behind = (nodes) => {
        let color = [255, 255, 255], opacity = 1;
        for (const node of nodes) {
            const style = getComputedStyle(node);
            opacity *= Number(style.opacity);
            color = over(rgba(style.backgroundColor), color, opacity);
        }
        return [color, opacity];
    };
    const light = (color) => {
        const [r, g, b] = color.map((one) => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (ink, nodes) => {
        const [below, opacity] = behind(nodes), own = over(rgba(ink), below, opacity);
        const [one, other] = [light(own), light(below)].sort((a, b) => b - a);
        return (one + 0.05) / (other + 0.05);
    };
    const hidden = ".jc-hidden, .jcp-copy, [disabled]";
    const seen = (node) => node.checkVisibility() && !node.disabled && !node.closest(hidden);
    const found = [], here = [...root.querySelectorAll("*")];
    for (const node of here.filter(seen)) {
        const text = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim()) || node.matches("input, select");
        if (text) found.push(["text", node.getAttribute("class") || node.tagName, contrast(getComputedStyle(node).color, line(node))]);
    }
    const ink = getComputedStyle(root.querySelector(".jcp-field") ?? root).color;
    for (const node of root.querySelectorAll(".jcp-copy span")) found.push(["text", node.className, contrast(ink, line(node))]);
    for (const [selector, name] of Object.entries(marks)) {
        for (const node of [...root.querySelectorAll(selector)].filter(seen)) {
            found.push(["mark", selector, contrast(getComputedStyle(node)[name], line(node.parentElement))]);
        }
    }
    return found;
}
