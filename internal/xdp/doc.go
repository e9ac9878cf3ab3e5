// Package xdp attaches a program to a link's driver that redirects what one peer sends to some of our UDP ports into an
// AF_XDP socket, before the kernel's IP, firewall and connection tracking see it (Documentation/networking/af_xdp.rst). All
// else goes on to the kernel as if nothing were there.
//
// The program is assembled here, so that no compiler and no object file is needed, and is held by a link of its own
// (BPF_LINK_CREATE): it goes when that is closed, and at the latest with the process, however that ends.
package xdp
