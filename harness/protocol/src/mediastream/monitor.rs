use crate::MonitorSettings;
use crate::monitor::Monitor;

pub(super) fn new(_settings: &MonitorSettings) -> Box<dyn Monitor> {
    todo!()
}
