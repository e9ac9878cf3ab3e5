// Package xdp attaches small programs to a link's driver, which run before the kernel's IP, firewall and connection tracking see
// a frame (Documentation/networking/af_xdp.rst): [Redirect] puts what one peer sends to us into an AF_XDP socket, [ReflectDNS]
// sends DNS queries back. All else goes on to the kernel as if nothing were there.
//
// The programs are assembled here, so that no compiler and no object file is needed, and are held by a link of their own
// (BPF_LINK_CREATE): they go when that is closed, and at the latest with the process, however that ends.
package xdp
