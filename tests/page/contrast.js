// The texts whose contrast is below what WCAG 2.2 asks for at level AA (1.4.3): 4.5, or 3 for large ones.
() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const mix = (over, under) => ({ a: 1, ...Object.fromEntries(["r", "g", "b"].map((c) => [c, over[c] * over.a + under[c] * (1 - over.a)])) });
  const light = ({ r, g, b }) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.push(parse(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((under, over) => mix(over, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) => element.getClientRects().length
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  const judge = (element) => {
    const style = getComputedStyle(element), inSvg = element instanceof SVGElement;
    const box = inSvg ? element.parentElement.querySelector("rect") : null;
    const under = box ? parse(getComputedStyle(box).fill) : ground(element);
    const [a, b] = [light(mix(parse(inSvg ? style.fill : style.color), under)), light(under)].sort((x, y) => y - x);
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    return { ratio: (a + 0.05) / (b + 0.05), wanted: isLarge ? 3 : 4.5, text: element.textContent.trim().slice(0, 40) };
  };
  const judged = texts.filter((element) => !["TITLE", "title", "OPTION", "SCRIPT", "STYLE"].includes(element.tagName)).map(judge);
  return { count: judged.length, low: judged.filter((each) => each.ratio < each.wanted) };
}
