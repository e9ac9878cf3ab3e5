// Package peers compares DHT servers in one lab: which they are, what is measured of them, and what the records say. It
// is pure; the servers run as processes of their own.
//
// Every server is alive for the whole run, on a port of its own, and idle while another one is measured, so that in
// each block all of them are measured within seconds of each other.
//
// [Spec] says what is to be measured and lays out the trials. A run leaves a file of records, which [Write] and [Append]
// write and [ReadDir] reads; [Summarize] makes figures of them, and the Summary a page, a table and JSON.
package peers
