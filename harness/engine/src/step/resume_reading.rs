/// That is read again.
pub type ResumeReading = super::stop_reading::Reading<true>;
