//! pcap and pcapng files, link, IP and UDP layers, and the tap
