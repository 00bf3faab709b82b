/** The ONNX Runtime release that the engines are made for; package.json pins the same one. */
export const pinnedVersion = "1.30.0";
