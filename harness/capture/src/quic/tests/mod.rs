mod rfc9001;
