/** The version of this package, which is also that of the server and the protos it was released with. */
export const VERSION = "0.4.0";
