package rerankd

// Version is the version of this client. Servers, protos and clients share one number.
const Version = "0.4.0"
