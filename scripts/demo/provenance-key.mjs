// Who builds in the demo: the builder's id and where its keys are, below the project's folder.
export const BUILDER = "urn:maestro:builder:demo";
export const PRIVATE_KEY = ".maestro/builder/private.pem";
export const PUBLIC_KEY = ".maestro/builder/public.pem";
