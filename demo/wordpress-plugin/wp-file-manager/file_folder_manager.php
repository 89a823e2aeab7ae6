<?php
/*
 * Plugin Name: File Manager (a stand-in for the demo)
 * Version: 6.8
 * Description: Says of itself what the plugin with the hole of CVE-2020-25213 said, and does nothing. For the demo alone.
 */
